import { expectedAfter, CANCEL_REASONS, outboundOf } from '@pavane/contracts';
import { Participant, transaction } from '@pavane/outbox';
import { applyMigrations, type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { decide, evolve, newOrder, type Order, type OrderFact, type OrderMessage } from './order.js';
import { OrderStore } from './order.store.js';

let postgres: PostgresServer;
let pool: Pool;
let store: OrderStore;
beforeAll(async () => {
  postgres = await startPostgres({ databases: ['order'] });
  await applyMigrations(postgres.url('order'), new URL('../prisma/migrations/', import.meta.url));
  pool = new Pool({ connectionString: postgres.url('order'), pipeline: true });
  store = new OrderStore(pool);
}, 60_000);
afterEach(() => pool.query('TRUNCATE orders, history'));
afterAll(async () => {
  await pool?.end();
  await postgres?.[Symbol.asyncDispose]();
});

const total = { amount: 9800, currency: 'EUR' };
const items = [{ sku: 'TEAPOT', quantity: 2 }];
const messages = {
  paid: { type: 'payments.completed', data: { amount: total, items } },
  declined: { type: 'payments.failed', data: { reason: 'declined' } },
  reserved: { type: 'inventory.reserved', data: { items } },
  rejected: { type: 'inventory.rejected', data: { shortages: [{ sku: 'TEAPOT', requested: 2, available: 0 }] } },
  deadline: { type: 'timers.deadline', data: { deadlineAt: new Date(0).toISOString() } },
  cancel: { type: 'cancel', data: {} },
  resay: { type: 'resay', data: {} },
  sent: { type: 'notifications.sent', data: { outcome: 'confirmed', messageId: '<1@x>' } },
  refunded: { type: 'payments.refunded', data: { amount: total } },
} as const;
type Step = keyof typeof messages;
const about = (orderId: string, step: Step): OrderMessage => ({ ...messages[step], orderId }) as OrderMessage;
const placing = (
  orderId: string,
  idempotencyKey = orderId,
  deadlineAt = new Date(Date.now() + 60_000),
): OrderMessage => ({
  type: 'place',
  orderId,
  data: {
    customerId: 'customer-1',
    email: 'ada@example.com',
    items,
    total,
    paymentMethod: 'card_ok',
    deadlineAt,
    idempotencyKey,
    fingerprint: 'f',
  },
});

const participant = () =>
  new Participant<Order, OrderMessage, OrderFact>({
    pool,
    store,
    rules: { aggregateOf: ({ orderId }) => orderId, initial: newOrder, decide, evolve },
    outbound: outboundOf('order'),
    outlet: { leaseMs: 0, offer: () => undefined },
    now: () => new Date(),
    newId: uuidv7,
  });
const stored = async (orderId: string) => (await transaction(pool, (tx) => store.load(tx, [orderId]))).get(orderId);
const historyOf = async (orderId: string) =>
  (await pool.query('SELECT version, event FROM history WHERE order_id = $1 ORDER BY version', [orderId])).rows;
async function live(orderId: string, ...steps: Step[]): Promise<void> {
  // Who was told by notification was answered by everybody else who has to.
  const others = steps.includes('sent') ? expectedAfter('orders.confirmed', [messages.sent.type]) : [];
  for (const message of [
    placing(orderId),
    ...steps.map((step) => about(orderId, step)),
    ...others.map(([type]) => ({ type, orderId, data: {} }) as OrderMessage),
  ])
    await participant().handle(message);
}

describe('an order', () => {
  it.each<[string, Step[]]>([
    ['pending', []],
    ['pending and paid', ['paid']],
    ['confirmed', ['paid', 'reserved']],
    ['confirmed and told', ['paid', 'reserved', 'sent']],
    ['cancelled: payment_failed', ['declined']],
    ['cancelled: out_of_stock', ['paid', 'rejected', 'refunded']],
    ['cancelled: deadline_passed', ['deadline']],
    ['cancelled: customer_request', ['cancel']],
    ['cancelled and said again', ['cancel', 'resay']],
  ])('that is %s is stored and read as it is, with its whole history', async (_, steps) => {
    const orderId = uuidv7();
    let expected = newOrder(orderId);
    for (const message of [placing(orderId), ...steps.map((step) => about(orderId, step))]) {
      for (const fact of decide(message, expected, new Date())) expected = evolve(expected, fact);
      await participant().handle(message);
      expect(await stored(orderId)).toEqual({ ...expected, entries: [], placed: expect.anything() });
    }
    expect((await stored(orderId))!.placed).toEqual({ ...expected.placed, deadlineAt: expect.any(Date) });
    expect(await historyOf(orderId)).toEqual(expected.entries.map((event, i) => ({ version: i + 1, event })));
  });

  it('that lives its whole life in one transaction has the same history', async () => {
    const [orderId, other] = [uuidv7(), uuidv7()];
    const orders = participant();
    const first = orders.handle(placing(other));
    await Promise.all([
      first,
      ...[placing(orderId), ...(['paid', 'reserved', 'sent'] as const).map((s) => about(orderId, s))].map((m) =>
        orders.handle(m),
      ),
    ]);
    expect((await historyOf(orderId)).map(({ event }) => event)).toEqual([
      'orders.created',
      'payments.completed',
      'inventory.reserved',
      'orders.confirmed',
      'notifications.sent',
    ]);
  });

  it('that is placed again under its key is itself, and those beside it are placed in one transaction', async () => {
    const orders = participant();
    const first = await orders.handle(placing(uuidv7(), 'key'));
    const handled = await Promise.all(
      ['a', 'b', 'key', 'c', 'key'].map((key) => orders.handle(placing(uuidv7(), key))),
    );
    expect([handled[2]!.id, handled[4]!.id]).toEqual([first.id, first.id]);
    const { rows } = await pool.query(`SELECT xmin FROM orders WHERE idempotency_key IN ('b', 'c')`);
    expect(rows).toEqual([rows[0], rows[0]]);
  });

  it('that two instances place under one key at once is placed once', async () => {
    const keys = Array.from({ length: 20 }, (_, i) => `key ${i}`);
    await Promise.allSettled(
      [participant(), participant()].flatMap((orders) => keys.map((key) => orders.handle(placing(uuidv7(), key)))),
    );
    const { rows } = await pool.query('SELECT idempotency_key FROM orders');
    expect(rows.map((row) => row.idempotency_key).toSorted()).toEqual(keys.toSorted());
  });

  it('that everybody wants to end at once ends once', async () => {
    const orderId = uuidv7();
    await live(orderId);
    const enders = ['reserved', 'declined', 'rejected', 'deadline', 'cancel'] as const;
    await Promise.all(enders.map((step) => participant().handle(about(orderId, step))));
    const endings = (await historyOf(orderId)).filter(({ event }) => /^orders\.c(onfirmed|ancelled)$/.test(event));
    expect(endings).toHaveLength(1);
    const said = await pool.query(
      `SELECT count(*)::int AS n FROM messaging.outbox WHERE aggregate_id = $1 AND subject ~ '^orders.(confirmed|cancelled)'`,
      [orderId],
    );
    expect(said.rows).toEqual([{ n: 1 }]);
  });

  it('whose total is the largest there may be is stored', async () => {
    const orderId = uuidv7();
    const message = placing(orderId);
    if (message.type === 'place') message.data.total = { amount: 2_147_483_647, currency: 'EUR' };
    await participant().handle(message);
    expect((await stored(orderId))!.placed!.total.amount).toBe(2_147_483_647);
  });
});

describe('what is under way', () => {
  /** As if it had been placed so long ago, in seconds, and ended so long ago. */
  const dated = async (id: string, placed: number, ended?: number) =>
    pool.query(
      `UPDATE orders SET created_at = now() - $2 * interval '1 s', deadline_at = now() + (60 - $2::float8) * interval '1 s',
         ended_at = CASE WHEN ended_at IS NOT NULL THEN now() - $3 * interval '1 s' END WHERE id = $1`,
      [id, placed, ended ?? 0],
    );
  const order = async (placed: number, steps: Step[] = [], ended?: number) => {
    const id = uuidv7();
    await live(id, ...steps);
    await dated(id, placed, ended);
  };
  const look = (frontier: string | null = null) => store.underWay(new Date(Date.now() - 2000), frontier);

  it('is every pending order as long as none has ended', async () => {
    for (const seconds of [1, 5, 30]) await order(seconds);
    const seen = await look();
    expect(seen).toMatchObject({ queued: 3, ended: 0, tookMs: null, frontier: null });
    expect((Date.now() - seen.oldestAt!.getTime()) / 1000).toBeCloseTo(30, 0);
  });

  it('is none where there is no order', async () => {
    expect(await look()).toMatchObject({ queued: 0, ended: 0, oldestAt: null });
  });

  it('is what was placed after those that end now: who was overtaken waits for something of their own', async () => {
    for (const seconds of [30, 20]) await order(seconds);
    for (const seconds of [11, 10, 9]) await order(seconds, ['paid', 'reserved'], 1);
    for (const seconds of [8, 4, 1]) await order(seconds);
    const seen = await look();
    expect(seen).toMatchObject({ queued: 3, ended: 3 });
    expect(seen.tookMs! / 1000).toBeCloseTo(9, 1);
    expect((Date.now() - seen.oldestAt!.getTime()) / 1000).toBeCloseTo(8, 0);
  });

  it('is counted from where it was when nothing has ended of late, also by a process that was not there then', async () => {
    await order(30);
    await order(11, ['paid', 'reserved'], 10);
    await order(8);
    const seen = await look();
    expect(seen).toMatchObject({ queued: 1, ended: 0 });
    expect(await look(seen.frontier)).toMatchObject({ queued: 1, frontier: seen.frontier });
  });

  it('counts as worked off what others worked for, and not what a customer or a deadline ended', async () => {
    for (const steps of [
      ['paid', 'reserved'],
      ['declined'],
      ['paid', 'rejected'],
      ['cancel'],
      ['deadline'],
    ] as Step[][])
      await order(10, steps, 1);
    expect(await look()).toMatchObject({ ended: 3 });
  });

  it('is known by the keys it was placed under', async () => {
    await participant().handle(placing(uuidv7(), 'taken'));
    expect(await store.taken(['taken', 'free', '\u{1F600}'])).toEqual(new Set(['taken']));
  });
});

describe('the sweeper', () => {
  const isDue = () =>
    pool.query(`UPDATE orders SET echo_due_at = now() - interval '1 s' WHERE echo_due_at IS NOT NULL`);

  it('finds pending orders whose timer should have come, and no others', async () => {
    const [late, early, ended] = [uuidv7(), uuidv7(), uuidv7()];
    for (const id of [late, ended]) await participant().handle(placing(id, id, new Date(Date.now() - 10_000)));
    await participant().handle(placing(early));
    await participant().handle(about(ended, 'cancel'));
    expect((await store.late(10)).map(({ id }) => id)).toEqual([late]);
  });

  it('finds endings that not everybody was seen to act on, each once per turn', async () => {
    const orders = { quiet: uuidv7(), echoed: uuidv7(), unrefunded: uuidv7(), pending: uuidv7() };
    await live(orders.quiet, 'paid', 'reserved');
    await live(orders.echoed, 'paid', 'reserved', 'sent');
    await live(orders.unrefunded, 'paid', 'cancel', 'sent');
    await live(orders.pending);
    const ids = Object.values(orders);
    expect(await store.unechoed(10)).toEqual([]);
    expect(await store.claimUnechoed(ids)).toEqual([]);
    await isDue();
    expect((await store.unechoed(10)).toSorted((a, b) => (a.id < b.id ? -1 : 1))).toEqual([
      { id: orders.quiet, status: 'confirmed', endedAt: expect.any(Date), isRecent: true },
      { id: orders.unrefunded, status: 'cancelled', endedAt: expect.any(Date), isRecent: true },
    ]);
    const claims = await Promise.all([store.claimUnechoed(ids), store.claimUnechoed(ids)]);
    expect(
      claims
        .flat()
        .map(({ id }) => id)
        .toSorted(),
    ).toEqual([orders.quiet, orders.unrefunded].toSorted());
    await participant().handle(about(orders.unrefunded, 'refunded'));
    await isDue();
    expect((await store.unechoed(10)).map(({ id }) => id)).toEqual([orders.quiet]);
  });

  it('gives an ending that is on its way as long again, at least a minute, without counting', async () => {
    const [fresh, old, echoed] = [uuidv7(), uuidv7(), uuidv7()];
    for (const id of [fresh, old]) await live(id, 'paid', 'reserved');
    await live(echoed, 'paid', 'reserved', 'sent');
    await pool.query(`UPDATE orders SET ended_at = now() - interval '2 h' WHERE id = $1`, [old]);
    await isDue();
    expect(new Map((await store.unechoed(10)).map(({ id, isRecent }) => [id, isRecent]))).toEqual(
      new Map([
        [fresh, true],
        [old, false],
      ]),
    );
    await store.awaitEchoes([fresh, old, echoed]);
    expect(await store.unechoed(10)).toEqual([]);
    const { rows } = await pool.query(
      'SELECT id, resaid, round(extract(epoch FROM echo_due_at - now()) / 60)::int AS minutes FROM orders',
    );
    expect(new Map(rows.map(({ id, ...row }) => [id, row]))).toEqual(
      new Map([
        [fresh, { resaid: 0, minutes: 1 }],
        [old, { resaid: 0, minutes: 120 }],
        [echoed, { resaid: 0, minutes: null }],
      ]),
    );
  });

  it('waits longer each time, and gives up in the end', async () => {
    const orderId = uuidv7();
    await live(orderId, 'cancel');
    const waits: number[] = [];
    for (;;) {
      await isDue();
      if ((await store.claimUnechoed([orderId])).length === 0) break;
      await participant().handle(about(orderId, 'resay'));
      const { rows } = await pool.query('SELECT extract(epoch FROM echo_due_at - now())::int AS s FROM orders');
      waits.push(Math.round(rows[0].s / 60));
    }
    expect(waits).toEqual([2, 4, 8, 16, 32, 64, 128, 256]);
  });
});

describe('the database', () => {
  const REFUSED = { code: '23514' };

  it.each<[string, Step[], string]>([
    ['a confirmed order is cancelled', ['reserved'], `status = 'cancelled', reason = 'deadline_passed'`],
    ['a cancelled order is confirmed', ['cancel'], `status = 'confirmed', reason = NULL`],
    ['an ended order is pending again', ['reserved'], `status = 'pending', ended_at = NULL`],
    ['a cancelled order changes its reason', ['cancel'], `reason = 'deadline_passed'`],
    ['an order is cancelled without a reason', [], `status = 'cancelled', ended_at = now()`],
    ['a pending order has a reason', [], `reason = 'deadline_passed'`],
    ['an ended order does not know when', [], `status = 'confirmed'`],
    ['an order has an unknown status', [], `status = 'lost', ended_at = now()`],
    ['an order has a negative total', [], 'amount = -1'],
  ])('refuses that %s', async (_, steps, change) => {
    const orderId = uuidv7();
    await live(orderId, ...steps);
    await expect(pool.query(`UPDATE orders SET ${change} WHERE id = $1`, [orderId])).rejects.toMatchObject(REFUSED);
  });

  it('refuses an unknown reason, and takes each known one', async () => {
    for (const reason of [...CANCEL_REASONS, 'weather']) {
      const orderId = uuidv7();
      await live(orderId);
      const cancelled = pool.query(
        `UPDATE orders SET status = 'cancelled', ended_at = now(), reason = $2 WHERE id = $1`,
        [orderId, reason],
      );
      if (reason === 'weather') await expect(cancelled).rejects.toMatchObject(REFUSED);
      else await expect(cancelled).resolves.toBeDefined();
    }
  });

  it('refuses two entries of the same version', async () => {
    const orderId = uuidv7();
    await live(orderId);
    await expect(
      pool.query(`INSERT INTO history VALUES ($1, 1, 'orders.confirmed', now())`, [orderId]),
    ).rejects.toMatchObject({ code: '23505' });
  });
});
