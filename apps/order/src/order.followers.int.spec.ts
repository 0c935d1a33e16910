import { setTimeout as pause } from 'node:timers/promises';
import { Intake } from '@pavane/service';
import { expectedAfter } from '@pavane/contracts';
import { eventually } from '@pavane/testing';
import { applyMigrations, type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { Pool } from 'pg';
import type { Observable } from 'rxjs';
import { v7 as uuidv7 } from 'uuid';
import { OrderConfig } from './order.config.js';
import { type FollowerEvent, LOOK_EVERY_MS, OrderFollowers } from './order.followers.js';
import { OrderStore } from './order.store.js';

let postgres: PostgresServer;
let pool: Pool;
let intake: Intake;
let followers: OrderFollowers;
let looks = 0;
const open: AbortController[] = [];

/** A store that counts how often it is asked. */
class CountedStore extends OrderStore {
  override news(...known: Parameters<OrderStore['news']>) {
    looks++;
    return super.news(...known);
  }
}

beforeAll(async () => {
  postgres = await startPostgres({ databases: ['order'] });
  await applyMigrations(postgres.url('order'), new URL('../prisma/migrations/', import.meta.url));
  pool = new Pool({ connectionString: postgres.url('order') });
  // An idle connection may die with the database.
  pool.on('error', () => undefined);
}, 60_000);
beforeEach(() => {
  looks = 0;
  intake = new Intake();
  followers = new OrderFollowers(
    new CountedStore(pool),
    Object.assign(new OrderConfig(), { ORDER_FOLLOWERS: 600 }),
    intake,
  );
  followers.onApplicationBootstrap();
});
afterEach(async () => {
  for (const gone of open.splice(0)) gone.abort();
  await intake.stop();
});
afterAll(async () => {
  await pool?.end();
  await postgres?.[Symbol.asyncDispose]();
});

async function place(): Promise<string> {
  const id = uuidv7();
  await pool.query(
    `WITH o AS (INSERT INTO orders (id, version, status, customer_id, email, items, amount, currency, payment_method, deadline_at, idempotency_key, fingerprint, created_at)
       VALUES ($1, 1, 'pending', 'c', 'c@example.com', '[]', 1, 'EUR', 'card_ok', now(), $2, 'f', now()) RETURNING id)
     INSERT INTO history (order_id, version, event, at) SELECT id, 1, 'orders.created', now() FROM o`,
    [id, id],
  );
  return id;
}
async function enter(id: string, event: string, { status = 'pending', ago = 0 } = {}): Promise<void> {
  await pool.query(
    `WITH o AS (UPDATE orders SET version = version + 1, status = $3, noted = noted || $2::text,
       ended_at = CASE WHEN $3 <> 'pending' THEN now() END, reason = CASE WHEN $3 = 'cancelled' THEN 'customer_request' END
       WHERE id = $1 RETURNING id, version)
     INSERT INTO history (order_id, version, event, at) SELECT id, version, $2, now() - $4 * interval '1 ms' FROM o`,
    [id, event, status, ago],
  );
}
/** What a confirmed order sees by its end: the ending, and one answer of everybody who has to act on it. */
const ENDING = ['orders.confirmed', ...expectedAfter('orders.confirmed', []).map(([answer]) => answer!)];
const confirm = async (id: string) => {
  for (const event of ENDING) await enter(id, event, { status: 'confirmed' });
};
const endingFrom = (first: number) => ENDING.map((event, i) => `${first + i} ${event}`);

/** Somebody who follows an order, and what was shown so far. */
async function follow(id: string, after = 0) {
  const gone = new AbortController();
  open.push(gone);
  const events = await followers.follow(id, after, gone.signal).catch((error: unknown) => {
    gone.abort();
    throw error;
  });
  return { state: watch(events, gone.signal), gone, events };
}
function watch(events: Observable<FollowerEvent> | undefined, gone: AbortSignal) {
  const state = { seen: [] as string[], completed: false };
  const watched = events?.subscribe({
    next: ({ id, data }) => data && state.seen.push(`${id} ${data.event}`),
    complete: () => (state.completed = true),
  });
  gone.addEventListener('abort', () => watched?.unsubscribe());
  return state;
}

describe('who follows an order', () => {
  it('is shown what happened and what happens, each entry once under its number, until everybody acted on the ending', async () => {
    const id = await place();
    const { state } = await follow(id);
    expect(state.seen).toEqual(['1 orders.created']);
    await enter(id, 'payments.completed');
    await eventually(() => expect(state.seen).toEqual(['1 orders.created', '2 payments.completed']));
    await confirm(id);
    await eventually(() => expect(state.completed).toBe(true));
    expect(state.seen.slice(2)).toEqual(endingFrom(3));
  });

  it('is shown only what follows the entry it saw last, and nothing at all where nothing follows', async () => {
    const id = await place();
    await confirm(id);
    const { state } = await follow(id, 1);
    expect(state).toEqual({ seen: endingFrom(2), completed: true });
    for (const after of [ENDING.length + 1, ENDING.length + 2])
      expect((await follow(id, after)).events).toBeUndefined();
  });

  it('is let go half a minute after the last entry of an ending that not everybody acted on', async () => {
    const id = await place();
    await enter(id, 'orders.cancelled', { status: 'cancelled', ago: 31_000 });
    expect((await follow(id)).state.completed).toBe(true);
    const recent = await place();
    await enter(recent, 'orders.cancelled', { status: 'cancelled', ago: 1000 });
    expect((await follow(recent)).state.completed).toBe(false);
  });

  it('comes back to its place after its order was dropped from memory', async () => {
    const id = await place();
    const first = await follow(id);
    first.gone.abort();
    await enter(id, 'payments.completed');
    expect((await follow(id, 1)).state.seen).toEqual(['2 payments.completed']);
  });

  it('of an order that does not exist is told so, and holds no place', async () => {
    for (let i = 0; i < 2; i++)
      await expect(follow(uuidv7())).rejects.toMatchObject({ status: 404, slug: 'order-unknown' });
  });
});

describe('many followers', () => {
  it('of many orders cost one query at a time, however many they are, and none once they have gone', async () => {
    const orders = await Promise.all(Array.from({ length: 100 }, place));
    const started = performance.now();
    const many = await Promise.all(Array.from({ length: 500 }, (_, i) => follow(orders[i % 100]!)));
    for (const id of orders) await enter(id, 'payments.completed');
    await eventually(() => expect(many.filter(({ state }) => state.seen.length === 2)).toHaveLength(500));
    const elapsed = performance.now() - started;
    // One when they came, one more for those who came while it ran, and then one every 300 ms.
    expect(looks).toBeLessThanOrEqual(2 + Math.ceil(elapsed / LOOK_EVERY_MS));

    for (const { gone } of many) gone.abort();
    await pause(LOOK_EVERY_MS); // a look that is under way
    const before = looks;
    await pause(3 * LOOK_EVERY_MS);
    expect(looks).toBe(before);
  });

  it('fill the places of the instance, and each that goes makes room for another', async () => {
    const id = await place();
    const all = await Promise.all(Array.from({ length: 600 }, () => follow(id)));
    await expect(follow(id)).rejects.toMatchObject({
      status: 503,
      slug: 'too-many-followers',
      given: { retryAfter: expect.any(Number) },
    });
    all[0]!.gone.abort();
    expect((await follow(id)).state.seen).toEqual(['1 orders.created']);
    await expect(follow(id)).rejects.toMatchObject({ status: 503 });
  });

  it('who come while others follow do not have the others looked up again', async () => {
    const [followed, other] = [await place(), await place()];
    const asked: string[][] = [];
    const store = new OrderStore(pool);
    const spied = Object.assign(Object.create(store) as OrderStore, {
      news: (known: ReadonlyMap<string, number>) => {
        asked.push([...known.keys()]);
        return store.news(known);
      },
    });
    const own = new Intake();
    const these = new OrderFollowers(spied, new OrderConfig(), own);
    these.onApplicationBootstrap();
    const { signal } = new AbortController();
    await these.follow(followed, 0, signal);
    await these.follow(other, 0, signal);
    await own.stop();
    expect(asked.slice(0, 2)).toEqual([[followed], [other]]);
  });
});

describe('an outage of the database', () => {
  it('turns away who comes, and who follows already is served when it is over', async () => {
    const [id, other] = [await place(), await place()];
    const { state } = await follow(id);
    await postgres.stop();
    await expect(follow(other)).rejects.toThrow();
    await postgres.restart();
    await eventually(() => enter(id, 'payments.completed'));
    await eventually(() => expect(state.seen).toEqual(['1 orders.created', '2 payments.completed']));
    expect(state.completed).toBe(false);
    expect((await follow(other)).state.seen).toEqual(['1 orders.created']);
  });
});

describe('an instance that stops', () => {
  it('turns away who waits for a first look and who comes later, so that neither holds it up', async () => {
    const id = await place();
    const waiting = follow(id);
    const stopped = intake.stop();
    await expect(waiting).rejects.toMatchObject({ status: 503, slug: 'temporarily-unavailable' });
    await expect(follow(id)).rejects.toMatchObject({ status: 503, slug: 'temporarily-unavailable' });
    await stopped;
  });
});
