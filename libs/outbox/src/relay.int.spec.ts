import { setImmediate as turn } from 'node:timers/promises';
import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { eventually } from '@pavane/testing';
import type { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { add, count, CounterDatabases, counters } from './counter.fixture.js';
import { backlog, type OutboxRow, replay, storeRows } from './outbox.js';
import { Relay } from './relay.js';

let databases: CounterDatabases;
let pool: Pool;
const relays: Relay[] = [];
beforeAll(async () => {
  databases = await CounterDatabases.start();
}, 60_000);
beforeEach(async () => {
  pool = await databases.pool();
});
afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.drain()));
});
afterAll(() => databases?.[Symbol.asyncDispose]());

/** A broker that does what the test says; by default it takes everything. */
class Broker {
  readonly ids: string[] = [];
  readonly log: { error: unknown[][]; warn: unknown[][] } = { error: [], warn: [] };
  answer: (row: { id: string; data: string; subject: string }) => Promise<unknown> = () => Promise.resolve();

  async publish(row: { id: string; data: string; subject: string }): Promise<void> {
    await this.answer(row);
    this.ids.push(row.id);
  }
}
const away = () => Promise.reject(Object.assign(new Error('the broker is away'), { code: 'RETRY_LATER' }));

/** A relay with leases short enough to be waited for. */
function relayTo(broker: Broker, on = pool, leaseMs = 150): Relay {
  const relay = new Relay(on, broker, {
    error: (...args) => broker.log.error.push(args),
    warn: (...args) => broker.log.warn.push(args),
  });
  relays.push(Object.assign(relay, { leaseMs }));
  return relay;
}

const rowOf = (aggregateId: string): OutboxRow => ({
  id: uuidv7(),
  aggregateId,
  subject: `counters.added.${aggregateId}`,
  headers: {},
  data: '{}',
});
/** Rows that a process stored before it died; its lease is over after so many milliseconds. */
async function leftBehind(aggregateIds: string[], leaseMs = -1): Promise<string[]> {
  const rows = aggregateIds.map(rowOf);
  await storeRows(pool, rows, leaseMs);
  return rows.map(({ id }) => id);
}
const allPublished = (n: number) =>
  eventually(async () => {
    expect(await count(pool, 'messaging.outbox WHERE published_at IS NULL')).toBe(0);
    expect(await count(pool, 'messaging.outbox')).toBe(n);
  });
const idsOf = async (aggregateId: string) =>
  (
    await pool.query<{ id: string }>('SELECT id FROM messaging.outbox WHERE aggregate_id = $1 ORDER BY id', [
      aggregateId,
    ])
  ).rows.map(({ id }) => id);

describe('what is measured', () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const meters = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
  beforeAll(() => metrics.setGlobalMeterProvider(meters));
  afterAll(async () => {
    metrics.disable();
    await meters.shutdown();
  });

  /** By name; `undefined` for what was not measured. */
  const measured = async (): Promise<Record<string, unknown>> => {
    exporter.reset();
    await meters.forceFlush();
    const all = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    return Object.fromEntries(all.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints[0]?.value]));
  };

  it('is what waits, for how long, what can never be published, and what was', async () => {
    const broker = new Broker();
    broker.answer = ({ subject }) =>
      subject.endsWith('.bad') ? Promise.reject(Object.assign(new Error('no'), { code: 'PUBLISH_REJECTED' })) : away();
    relayTo(broker).start();
    await leftBehind(['a', 'b', 'bad']);
    await pool.query(
      `UPDATE messaging.outbox SET waiting_since = now() - interval '90 seconds' WHERE aggregate_id = 'a'`,
    );
    await eventually(async () => {
      const { outbox_oldest_unpublished_seconds: oldest, ...rest } = await measured();
      expect(rest).toMatchObject({ outbox_unpublished: 2, outbox_quarantined: 1 });
      expect(oldest).toBeGreaterThanOrEqual(90);
      expect(oldest).toBeLessThan(120);
    });
    broker.answer = () => Promise.resolve();
    await eventually(async () =>
      expect(await measured()).toMatchObject({
        outbox_published: 2,
        outbox_unpublished: 0,
        outbox_oldest_unpublished_seconds: 0,
        outbox_quarantined: 1,
      }),
    );
  });
});

describe('a row that was just committed', () => {
  it('is published at once, without a sweep, and marked', async () => {
    const broker = new Broker();
    const participant = counters(pool, { outlet: relayTo(broker) });
    await Promise.all(['a', 'b', 'c'].map((id) => participant.handle(add(id, 1))));
    await allPublished(3);
    expect(broker.ids).toHaveLength(3);
  });

  it('is marked in one transaction with others that are published at about the same time', async () => {
    const participant = counters(pool, { outlet: relayTo(new Broker()) });
    await Promise.all(['a', 'b', 'c'].map((id) => participant.handle(add(id, 1))));
    await allPublished(3);
    const { rows } = await pool.query('SELECT DISTINCT published_at FROM messaging.outbox');
    expect(rows).toHaveLength(1);
  });

  it('is published after those of the same aggregate before it, and beside those of others', async () => {
    const broker = new Broker();
    const open = new Map<string, number>();
    let most = 0;
    broker.answer = async ({ subject }) => {
      expect(open.get(subject) ?? 0).toBe(0);
      open.set(subject, 1);
      most = Math.max(
        most,
        [...open.values()].reduce((a, b) => a + b),
      );
      for (let i = 0; i < Math.random() * 20; i++) await turn();
      open.set(subject, 0);
    };
    const participant = counters(pool, { outlet: relayTo(broker) });
    await Promise.all(Array.from({ length: 90 }, (_, i) => participant.handle(add(`c${i % 9}`, 1))));
    await allPublished(90);
    for (const id of ['c0', 'c4', 'c8']) {
      const ids = await idsOf(id);
      expect(broker.ids.filter((published) => ids.includes(published))).toEqual(ids);
    }
    expect(most).toBeGreaterThan(3);
  });

  it('waits for the one of its aggregate that could not be published, also when it was said much later', async () => {
    const broker = new Broker();
    const relay = relayTo(broker);
    const participant = counters(pool, { outlet: relay });
    broker.answer = away;
    await Promise.all([1, 1].map((n) => participant.handle(add('a', n))));
    await relay.drain();
    broker.answer = () => Promise.resolve();
    await participant.handle(add('a', 1));
    await participant.handle(add('b', 1));
    await eventually(() => expect(broker.ids).toHaveLength(1));
    expect(broker.ids).toEqual(await idsOf('b'));

    relay.start();
    await allPublished(4);
    const ids = await idsOf('a');
    expect(broker.ids.slice(1)).toEqual(ids);
    // And from then on it is quick again.
    await relay.drain();
    await participant.handle(add('a', 1));
    await allPublished(5);
  });
});

describe('rows that a process left behind when it died', () => {
  it('are published by the sweep of another, oldest first', async () => {
    const rows = ['a', 'a', 'a', 'a'].map(rowOf);
    // Whatever order they lie in.
    await storeRows(pool, rows.toReversed(), -1);
    const broker = new Broker();
    relayTo(broker).start();
    await allPublished(4);
    expect(broker.ids).toEqual(rows.map(({ id }) => id));
  });

  it('are taken over when its lease is over, and not before', async () => {
    const ids = await leftBehind(['a'], 600);
    const since = performance.now();
    const broker = new Broker();
    relayTo(broker).start();
    await allPublished(1);
    expect(performance.now() - since).toBeGreaterThan(500);
    expect(broker.ids).toEqual(ids);
  });

  it('are shared by two relays: nothing is lost, and nothing is published twice', async () => {
    const ids = await leftBehind(Array.from({ length: 1200 }, (_, i) => `c${i % 100}`));
    const broker = new Broker();
    broker.answer = () => turn();
    relayTo(broker, pool, 3000).start();
    relayTo(broker, await databases.pool(pool.options.connectionString), 3000).start();
    await allPublished(1200);
    expect(broker.ids.toSorted()).toEqual(ids.toSorted());
  });
});

describe('a row the broker will never take', () => {
  it('is quarantined with the reason, and those behind it go on', async () => {
    const broker = new Broker();
    const participant = counters(pool, { outlet: relayTo(broker) });
    broker.answer = ({ data }) =>
      data.includes('1')
        ? Promise.reject(Object.assign(new Error('the message is too large'), { code: 'PUBLISH_REJECTED' }))
        : Promise.resolve();
    await Promise.all([1, 1, 2].map((n) => participant.handle(add('a', n))));
    await eventually(async () => {
      const { rows } = await pool.query(
        'SELECT quarantined, published_at IS NOT NULL AS published FROM messaging.outbox ORDER BY id',
      );
      expect(rows).toEqual([
        { quarantined: 'the message is too large', published: false },
        { quarantined: null, published: true },
        { quarantined: null, published: true },
      ]);
    });
    const [id] = await idsOf('a');
    expect(broker.log.error).toEqual([
      [expect.stringContaining('quarantined'), { outboxId: id, subject: 'counters.added.a' }],
    ]);
  });

  it('is not tried again', async () => {
    const broker = new Broker();
    let tries = 0;
    broker.answer = () => {
      tries++;
      return Promise.reject(Object.assign(new Error('no'), { code: 'PUBLISH_REJECTED' }));
    };
    await leftBehind(['a']);
    relayTo(broker).start();
    await eventually(async () => expect(await count(pool, 'messaging.outbox WHERE quarantined IS NOT NULL')).toBe(1));
    await pool.query(`UPDATE messaging.outbox SET leased_until = '-infinity'`);
    const [later] = await leftBehind(['b']);
    broker.answer = () => Promise.resolve();
    await eventually(() => expect(broker.ids).toEqual([later]));
    expect(tries).toBe(1);
  });
});

describe('while the broker is away', () => {
  it('rows wait, their age is told, and all are published in order when it is back', async () => {
    const broker = new Broker();
    broker.answer = away;
    const relay = relayTo(broker);
    relay.start();
    expect(relay.oldestUnpublishedMs()).toBe(0);
    const participant = counters(pool, { outlet: relay });
    await Promise.all(Array.from({ length: 30 }, (_, i) => participant.handle(add(`c${i % 3}`, 1))));
    await eventually(() => expect(relay.oldestUnpublishedMs()).toBeGreaterThan(500));

    broker.answer = () => Promise.resolve();
    await allPublished(30);
    await eventually(() => expect(relay.oldestUnpublishedMs()).toBe(0));
    for (const id of ['c0', 'c1', 'c2']) {
      const ids = await idsOf(id);
      expect(broker.ids.filter((published) => ids.includes(published))).toEqual(ids);
    }
    expect(broker.log).toEqual({ error: [], warn: [] });
  });
});

describe('while the broker takes nothing', () => {
  it('is asked less and less often, and at the usual pace when it takes something again', async () => {
    await leftBehind(['a']);
    const broker = new Broker();
    const tries: number[] = [];
    broker.answer = () => {
      tries.push(performance.now());
      return away();
    };
    relayTo(broker, pool, 1).start();
    await eventually(() => expect(tries).toHaveLength(4));
    const pauses = tries.slice(1).map((at, i) => at - tries[i]!);
    expect(pauses[2]).toBeGreaterThan(2 * pauses[0]!);
    broker.answer = () => Promise.resolve();
    await allPublished(1);
    const since = performance.now();
    await leftBehind(['a', 'a']);
    await allPublished(3);
    expect(performance.now() - since).toBeLessThan(pauses[2]!);
  });

  it('the age of what waits grows, also while nobody measures it', async () => {
    await leftBehind(['a']);
    const broker = new Broker();
    broker.answer = away;
    const relay = relayTo(broker);
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
    const relay = relayTo(broker);
    const participant = counters(pool, { outlet: relay });
    await participant.handle(add('a', 1));
    await relay.drain();
    const other = relayTo(new Broker());
    other.start();
    await allPublished(1);
    await other.drain();

    broker.answer = () => Promise.resolve();
    const measured = Promise.withResolvers<void>();
    const { query } = pool;
    pool.query = ((...asked: [{ text?: string }]) => {
      const answer = query.apply(pool, asked as never) as unknown as Promise<unknown>;
      if (asked[0].text?.includes('oldestMs')) answer.then(() => measured.resolve(), measured.reject);
      return answer;
    }) as typeof query;
    relay.start();
    await measured.promise;
    await relay.drain();
    // No sweep runs: what goes out goes out from memory.
    await participant.handle(add('a', 1));
    await eventually(async () => expect(broker.ids).toEqual((await idsOf('a')).slice(1)));
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
    const relay = relayTo(broker);
    const rows = Array.from({ length: 2100 }, (_, i) => rowOf(`c${i}`));
    await storeRows(pool, rows, 500);
    relay.offer(rows);
    await turn();
    expect(asked).toBe(2000);
    gate.resolve();
    await relay.drain();
    relay.start();
    await allPublished(2100);
    expect(broker.ids.toSorted()).toEqual(rows.map(({ id }) => id).toSorted());
    await relay.drain();
    await counters(pool, { outlet: relay }).handle(add('quick', 1));
    await allPublished(2101);
  });
});

describe('an outage that leaves more aggregates behind than are remembered', () => {
  it('sends everything by the table, in order, until what waits there can be remembered again', async () => {
    const broker = new Broker();
    broker.answer = away;
    const relay = Object.assign(relayTo(broker), { mostBehind: 50 });
    const participant = counters(pool, { outlet: relay });
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
    await allPublished(121);
    for (const id of many) {
      const ids = await idsOf(id);
      expect(broker.ids.filter((published) => ids.includes(published))).toEqual(ids);
    }
    // From then on it is quick again: no sweep would take these.
    Object.assign(relay, { leaseMs: 60_000 });
    let n = 0;
    await eventually(
      async () => {
        await participant.handle(add(`d${++n}`, 1));
        await turn();
        expect(broker.ids).toEqual(expect.arrayContaining(await idsOf(`d${n}`)));
      },
      { everyMs: 150 },
    );
  });
});

describe('while the database is away', () => {
  it('the sweep goes on trying, quietly, and publishes when it is back', async () => {
    await leftBehind(['a']);
    const broker = new Broker();
    const relay = relayTo(broker);
    const asked: number[] = [];
    const { connect } = pool;
    pool.connect = ((...args: []) => {
      asked.push(performance.now());
      return connect.apply(pool, args as never);
    }) as typeof connect;
    await databases.server.stop('SIGKILL');
    relay.start();
    await eventually(() => expect(asked.length).toBeGreaterThanOrEqual(4));
    const pauses = asked.slice(1).map((at, i) => at - asked[i]!);
    expect(pauses.at(-1)).toBeGreaterThan(2 * pauses[0]!);
    await databases.server.restart();
    await allPublished(1);
    expect(broker.log.error).toEqual([]);
  });
});

describe('while the database refuses what the relay asks', () => {
  it('says so, and goes on when it no longer does', async () => {
    await leftBehind(['a']);
    const broker = new Broker();
    await pool.query('ALTER TABLE messaging.outbox RENAME COLUMN quarantined TO elsewhere');
    relayTo(broker).start();
    await eventually(() => expect(String(broker.log.error[0])).toContain('sweep failed'));
    await pool.query('ALTER TABLE messaging.outbox RENAME COLUMN elsewhere TO quarantined');
    await allPublished(1);
  });

  it('publishes what it could not mark again, under the same id', async () => {
    const broker = new Broker();
    const relay = relayTo(broker);
    await pool.query('ALTER TABLE messaging.outbox ADD CONSTRAINT unmarked CHECK (published_at IS NULL)');
    await counters(pool, { outlet: relay }).handle(add('a', 1));
    await eventually(() => expect(String(broker.log.warn[0])).toContain('could not be marked'));
    await relay.drain();
    await pool.query('ALTER TABLE messaging.outbox DROP CONSTRAINT unmarked');
    relay.start();
    await allPublished(1);
    const [id] = await idsOf('a');
    expect(broker.ids).toEqual([id, id]);
  });
});

describe('draining', () => {
  it('resolves when what is in flight is published and marked, and what comes later stays in the table', async () => {
    const broker = new Broker();
    const gate = Promise.withResolvers<void>();
    broker.answer = () => gate.promise;
    const relay = relayTo(broker);
    relay.start();
    const participant = counters(pool, { outlet: relay });
    await Promise.all(['a', 'a', 'b'].map((id) => participant.handle(add(id, 1))));
    let drained = false;
    const draining = relay.drain().then(() => (drained = true));
    await turn();
    expect(drained).toBe(false);
    gate.resolve();
    await draining;
    expect(await count(pool, 'messaging.outbox WHERE published_at IS NOT NULL')).toBe(3);

    await leftBehind(['z']);
    const next = new Broker();
    relayTo(next).start();
    await allPublished(4);
    await leftBehind(['z']);
    await allPublished(5);
    expect(broker.ids).toHaveLength(3);
    expect(next.ids).toHaveLength(2);
  });

  it('resolves although the broker is away, and leaves the rows to the next process', async () => {
    const broker = new Broker();
    broker.answer = away;
    const relay = relayTo(broker);
    relay.start();
    await counters(pool, { outlet: relay }).handle(add('a', 1));
    await relay.drain();
    const next = new Broker();
    relayTo(next).start();
    await allPublished(1);
    expect(next.ids).toEqual(await idsOf('a'));
  });
});

describe('a replay', () => {
  it('publishes everything stored since then again, under message ids the broker has not seen', async () => {
    const [before] = await leftBehind(['a']);
    const broker = new Broker();
    const relay = relayTo(broker);
    relay.start();
    await allPublished(1);
    await pool.query(`UPDATE messaging.outbox SET created_at = now() - interval '1 hour'`);
    const ids = await leftBehind(['a', 'b']);
    await allPublished(3);
    expect(broker.ids).toEqual([before, ...ids]);

    expect(await replay(pool, new Date(Date.now() - 60_000))).toBe(2);
    await allPublished(3);
    await eventually(() => expect(broker.ids).toHaveLength(5));
    const again = broker.ids.slice(3);
    expect(again.map((id) => id.split(':')[0])).toEqual(ids);
    expect(new Set([...ids, ...again]).size).toBe(4);
  });

  it('does not pass for a backlog as old as what it replays', async () => {
    await leftBehind(['a', 'b'], 60_000);
    await pool.query(`UPDATE messaging.outbox SET created_at = now() - interval '1 hour',
      waiting_since = now() - interval '1 hour', published_at = now() WHERE aggregate_id = 'a'`);
    await replay(pool, new Date(0));
    const { unpublished, oldestMs } = await backlog(pool);
    expect(unpublished).toBe(2);
    expect(oldestMs).toBeLessThan(60_000);
    // What waited all the time is not hidden by what was asked for again.
    await pool.query(`UPDATE messaging.outbox SET waiting_since = now() - interval '1 hour' WHERE aggregate_id = 'b'`);
    expect((await backlog(pool)).oldestMs).toBeGreaterThanOrEqual(3_600_000);
  });

  it('asks again for what is published but not yet marked as such', async () => {
    const broker = new Broker();
    const stored = Promise.withResolvers<void>();
    const replayed = Promise.withResolvers<void>();
    broker.answer = () => {
      stored.resolve();
      return replayed.promise;
    };
    const relay = relayTo(broker);
    relay.start();
    const [id] = await leftBehind(['a']);
    await stored.promise;
    broker.answer = () => Promise.resolve();
    await replay(pool, new Date(0));
    replayed.resolve();
    await eventually(() => expect(broker.ids).toHaveLength(2));
    expect(broker.ids.map((known) => known.split(':')[0])).toEqual([id, id]);
    expect(new Set(broker.ids).size).toBe(2);
    await allPublished(1);
  });

  it('does not touch what can never be published', async () => {
    await leftBehind(['a'], 60_000);
    await pool.query(`UPDATE messaging.outbox SET quarantined = 'no'`);
    expect(await replay(pool, new Date(0))).toBe(0);
  });
});
