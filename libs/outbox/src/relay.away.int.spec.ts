import { setImmediate as turn } from 'node:timers/promises';
import { eventually } from '@pavane/testing';
import { add, counters } from './counter.fixture.js';
import { storeRows } from './outbox.js';
import { away, Broker, Relays, rowOf } from './relay.fixture.js';

const relays = new Relays();

describe('while the broker is away', () => {
  it('rows wait, their age is told, and all are published in order when it is back', async () => {
    const broker = new Broker();
    broker.answer = away;
    const relay = relays.to(broker);
    relay.start();
    expect(relay.oldestUnpublishedMs()).toBe(0);
    const participant = counters(relays.pool, { outlet: relay });
    await Promise.all(Array.from({ length: 30 }, (_, i) => participant.handle(add(`c${i % 3}`, 1))));
    await eventually(() => expect(relay.oldestUnpublishedMs()).toBeGreaterThan(500));

    broker.answer = () => Promise.resolve();
    await relays.allPublished(30);
    await eventually(() => expect(relay.oldestUnpublishedMs()).toBe(0));
    for (const id of ['c0', 'c1', 'c2']) {
      const ids = await relays.idsOf(id);
      expect(broker.ids.filter((published) => ids.includes(published))).toEqual(ids);
    }
    expect(broker.log).toEqual({ error: [], warn: [] });
  });
});

describe('while the broker takes nothing', () => {
  it('is asked less and less often, and at the usual pace when it takes something again', async () => {
    await relays.leftBehind(['a']);
    const broker = new Broker();
    const tries: number[] = [];
    broker.answer = () => {
      tries.push(performance.now());
      return away();
    };
    relays.to(broker, { leaseMs: 1 }).start();
    await eventually(() => expect(tries).toHaveLength(4));
    const pauses = tries.slice(1).map((at, i) => at - tries[i]!);
    expect(pauses[2]).toBeGreaterThan(2 * pauses[0]!);
    broker.answer = () => Promise.resolve();
    await relays.allPublished(1);
    const since = performance.now();
    await relays.leftBehind(['a', 'a']);
    await relays.allPublished(3);
    expect(performance.now() - since).toBeLessThan(pauses[2]!);
  });

  it('the age of what waits grows, also while nobody measures it', async () => {
    await relays.leftBehind(['a']);
    const broker = new Broker();
    broker.answer = away;
    const relay = relays.to(broker);
    relay.start();
    await eventually(() => expect(relay.oldestUnpublishedMs()).toBeGreaterThan(0));
    await relay.drain();
    const before = relay.oldestUnpublishedMs();
    await eventually(() => expect(relay.oldestUnpublishedMs()).toBeGreaterThan(before + 200));
    expect(relay.oldestUnpublishedMs()).toBeLessThan(60_000);
  });
});

describe('what one instance left and another has published', () => {
  it('no longer holds up what comes after it', async () => {
    const broker = new Broker();
    broker.answer = away;
    const relay = relays.to(broker);
    const participant = counters(relays.pool, { outlet: relay });
    await participant.handle(add('a', 1));
    await relay.drain();
    const other = relays.to(new Broker());
    other.start();
    await relays.allPublished(1);
    await other.drain();

    broker.answer = () => Promise.resolve();
    const measured = Promise.withResolvers<void>();
    const { query } = relays.pool;
    relays.pool.query = ((...asked: [{ text?: string }]) => {
      const answer = query.apply(relays.pool, asked as never) as unknown as Promise<unknown>;
      if (asked[0].text?.includes('oldestMs')) answer.then(() => measured.resolve(), measured.reject);
      return answer;
    }) as typeof query;
    relay.start();
    await measured.promise;
    await relay.drain();
    // No sweep runs: what goes out goes out from memory.
    await participant.handle(add('a', 1));
    await eventually(async () => expect(broker.ids).toEqual((await relays.idsOf('a')).slice(1)));
  });
});

describe('more rows than are kept in memory', () => {
  it('wait in the table, and what comes later is quick again', async () => {
    const broker = new Broker();
    const gate = Promise.withResolvers<void>();
    let asked = 0;
    broker.answer = () => {
      asked++;
      return gate.promise;
    };
    const relay = relays.to(broker);
    const rows = Array.from({ length: 2100 }, (_, i) => rowOf(`c${i}`));
    await storeRows(relays.pool, rows, 500);
    relay.offer(rows);
    await turn();
    expect(asked).toBe(2000);
    gate.resolve();
    await relay.drain();
    relay.start();
    await relays.allPublished(2100);
    expect(broker.ids.toSorted()).toEqual(rows.map(({ id }) => id).toSorted());
    await relay.drain();
    await counters(relays.pool, { outlet: relay }).handle(add('quick', 1));
    await relays.allPublished(2101);
  });
});

describe('an outage that leaves more aggregates behind than are remembered', () => {
  it('sends everything by the table, in order, until what waits there can be remembered again', async () => {
    const broker = new Broker();
    broker.answer = away;
    const relay = Object.assign(relays.to(broker), { mostBehind: 50 });
    const participant = counters(relays.pool, { outlet: relay });
    const many = Array.from({ length: 60 }, (_, i) => `c${i}`);
    await Promise.all(many.map((id) => participant.handle(add(id, 1))));
    await relay.drain();
    broker.answer = () => Promise.resolve();
    await Promise.all(many.map((id) => participant.handle(add(id, 1))));
    // This one has nothing before it; but who could tell?
    await participant.handle(add('new', 1));
    await relay.drain();
    expect(broker.ids).toEqual([]);

    relay.start();
    await relays.allPublished(121);
    for (const id of many) {
      const ids = await relays.idsOf(id);
      expect(broker.ids.filter((published) => ids.includes(published))).toEqual(ids);
    }
    // From then on it is quick again: no sweep would take these.
    Object.assign(relay, { leaseMs: 60_000 });
    let n = 0;
    await eventually(
      async () => {
        await participant.handle(add(`d${++n}`, 1));
        await turn();
        expect(broker.ids).toEqual(expect.arrayContaining(await relays.idsOf(`d${n}`)));
      },
      { everyMs: 150 },
    );
  });
});

describe('while the database is away', () => {
  it('the sweep goes on trying, quietly, and publishes when it is back', async () => {
    await relays.leftBehind(['a']);
    const broker = new Broker();
    const relay = relays.to(broker);
    const asked: number[] = [];
    const { connect } = relays.pool;
    relays.pool.connect = ((...args: []) => {
      asked.push(performance.now());
      return connect.apply(relays.pool, args as never);
    }) as typeof connect;
    await relays.databases.server.stop('SIGKILL');
    relay.start();
    await eventually(() => expect(asked.length).toBeGreaterThanOrEqual(4));
    const pauses = asked.slice(1).map((at, i) => at - asked[i]!);
    expect(pauses.at(-1)).toBeGreaterThan(2 * pauses[0]!);
    await relays.databases.server.restart();
    await relays.allPublished(1);
    expect(broker.log.error).toEqual([]);
  });
});

describe('while the database refuses what the relay asks', () => {
  it('says so, and goes on when it no longer does', async () => {
    await relays.leftBehind(['a']);
    const broker = new Broker();
    await relays.pool.query('ALTER TABLE messaging.outbox RENAME COLUMN quarantined TO elsewhere');
    relays.to(broker).start();
    await eventually(() => expect(String(broker.log.error[0])).toContain('sweep failed'));
    await relays.pool.query('ALTER TABLE messaging.outbox RENAME COLUMN elsewhere TO quarantined');
    await relays.allPublished(1);
  });

  it('publishes what it could not mark again, under the same id', async () => {
    const broker = new Broker();
    const relay = relays.to(broker);
    await relays.pool.query('ALTER TABLE messaging.outbox ADD CONSTRAINT unmarked CHECK (published_at IS NULL)');
    await counters(relays.pool, { outlet: relay }).handle(add('a', 1));
    await eventually(() => expect(String(broker.log.warn[0])).toContain('could not be marked'));
    await relay.drain();
    await relays.pool.query('ALTER TABLE messaging.outbox DROP CONSTRAINT unmarked');
    relay.start();
    await relays.allPublished(1);
    const [id] = await relays.idsOf('a');
    expect(broker.ids).toEqual([id, id]);
  });
});
