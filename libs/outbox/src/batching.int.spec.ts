import fc from 'fast-check';
import type { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { add, CounterDatabases, type CounterMessage, counters, CounterStore, saidOf } from './counter.fixture.js';
import type { Delivery } from './inbox.js';

let databases: CounterDatabases;
beforeAll(async () => {
  databases = await CounterDatabases.start();
}, 60_000);
afterAll(() => databases?.[Symbol.asyncDispose]());

interface Sent {
  message: CounterMessage;
  delivery: Delivery | undefined;
}

const IDS = ['a', 'b', 'c'];
const DAY_MS = 86_400_000;
/** Messages of several aggregates: some break a rule, some the database refuses, some are forgotten, some come twice. */
const traffic = fc
  .array(
    fc.record({
      id: fc.constantFrom(...IDS),
      what: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 0, max: 40 }) },
        { weight: 1, arbitrary: fc.constantFrom('break' as const, 'old' as const, 101) },
      ),
      again: fc.option(fc.nat({ max: 29 }), { freq: 4 }),
      command: fc.boolean(),
    }),
    { minLength: 2, maxLength: 30 },
  )
  .map((drafts) => {
    const sent: Sent[] = [];
    for (const { id, what, again, command } of drafts) {
      const before = again === null ? undefined : sent[again];
      sent.push(
        before ?? {
          message:
            typeof what === 'number' ? add(id, what) : { type: what === 'old' ? 'add' : what, orderId: id, data: 0 },
          delivery: command
            ? undefined
            : { id: uuidv7({ msecs: Date.now() - (what === 'old' ? 8 * DAY_MS : 0) }), durable: 'counter_add' },
        },
      );
    }
    return sent;
  });

type Outcome = { value: number } | { refused: unknown };
const outcomeOf = (handled: Promise<{ value: number }>): Promise<Outcome> =>
  handled.then(
    ({ value }) => ({ value }),
    (error: Error & { code?: string }) => ({ refused: error.code ?? error.message }),
  );

const contentsOf = async (pool: Pool) => ({
  counters: (await pool.query('SELECT id, value FROM counters ORDER BY id')).rows,
  said: await Promise.all(IDS.map((id) => saidOf(pool, id))),
  handled: (await pool.query('SELECT event_id, durable FROM messaging.inbox ORDER BY event_id')).rows,
});
const empty = (pool: Pool) => pool.query('TRUNCATE counters, messaging.inbox, messaging.outbox');

describe('messages that commit together', () => {
  it('cannot be told from messages that came one by one', async () => {
    const together = await databases.pool();
    const oneByOne = await databases.pool();
    let largest = 0;
    await fc.assert(
      fc
        .asyncProperty(traffic, async (sent) => {
          const store = new CounterStore();
          const batched = counters(together, { store });
          const serial = counters(oneByOne);

          const inOneSet = Promise.all(
            sent.map(({ message, delivery }) => outcomeOf(batched.handle(message, delivery))),
          );
          const inTurn: Outcome[] = [];
          for (const { message, delivery } of sent) inTurn.push(await outcomeOf(serial.handle(message, delivery)));

          expect(await inOneSet).toEqual(inTurn);
          expect(await contentsOf(together)).toEqual(await contentsOf(oneByOne));
          largest = Math.max(largest, ...store.sets);
        })
        .afterEach(() => Promise.all([empty(together), empty(oneByOne)])),
      { numRuns: 60 },
    );
    // Or the comparison would have shown nothing.
    expect(largest).toBeGreaterThan(10);
  });

  it.each([0, 77, 127])('are not slowed by one that the database refuses among 128: number %i', async (bad) => {
    const store = new CounterStore();
    const participant = counters(await databases.pool(), { store });
    const ids = Array.from({ length: 128 }, (_, i) => `${bad}-${i}`);
    // The others gather while it is at work.
    const first = participant.handle(add(`${bad}-first`, 1));
    const outcomes = await Promise.all(ids.map((id, i) => outcomeOf(participant.handle(add(id, i === bad ? 101 : 1)))));
    await first;

    expect(outcomes.flatMap((outcome, i) => ('refused' in outcome ? [i] : []))).toEqual([bad]);
    const [, whole, ...parts] = store.sets;
    expect(whole).toBe(128);
    expect(parts.length).toBeLessThanOrEqual(2 * Math.log2(128));
  });

  it('are handled when one of them makes the database fail for a reason nobody knows', async () => {
    const pool = await databases.pool();
    await pool.query(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN IF NEW.id = 'odd-77' THEN RAISE EXCEPTION 'out of order' USING ERRCODE = 'XX777'; END IF; RETURN NEW; END $$`);
    await pool.query('CREATE TRIGGER fails BEFORE INSERT ON counters FOR EACH ROW EXECUTE FUNCTION fail()');
    const participant = counters(pool);
    const ids = Array.from({ length: 128 }, (_, i) => `odd-${i}`);
    const first = participant.handle(add('odd-first', 1));
    const outcomes = await Promise.allSettled(ids.map((id) => participant.handle(add(id, 1))));
    await first;
    expect(outcomes.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []))).toEqual([77]);
    expect(outcomes[77]).toMatchObject({ reason: { code: 'XX777' } });
  });

  it('are told after a few tries when the database fails for all of them', async () => {
    const pool = await databases.pool();
    const store = new CounterStore();
    store.saving = () => Promise.reject(Object.assign(new Error('out of order'), { code: 'XX777' }));
    const participant = counters(pool, { store });
    const first = participant.handle(add('all-first', 1)).catch(() => undefined);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 128 }, (_, i) => participant.handle(add(`all-${i}`, 1))),
    );
    await first;
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
    expect(store.sets.length).toBeLessThan(40);
  });
});
