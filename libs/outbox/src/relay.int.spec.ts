import { setImmediate as turn } from 'node:timers/promises';
import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { eventually } from '@pavane/testing';
import { add, count, counters } from './counter.fixture.js';
import { storeRows } from './outbox.js';
import { away, Broker, Relays, rowOf } from './relay.fixture.js';

const relays = new Relays();

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
    relays.to(broker).start();
    await relays.leftBehind(['a', 'b', 'bad']);
    await relays.pool.query(
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
    const participant = counters(relays.pool, { outlet: relays.to(broker) });
    await Promise.all(['a', 'b', 'c'].map((id) => participant.handle(add(id, 1))));
    await relays.allPublished(3);
    expect(broker.ids).toHaveLength(3);
  });

  it('is marked in one transaction with others that are published at about the same time', async () => {
    const participant = counters(relays.pool, { outlet: relays.to(new Broker()) });
    await Promise.all(['a', 'b', 'c'].map((id) => participant.handle(add(id, 1))));
    await relays.allPublished(3);
    const { rows } = await relays.pool.query('SELECT DISTINCT published_at FROM messaging.outbox');
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
    const participant = counters(relays.pool, { outlet: relays.to(broker) });
    await Promise.all(Array.from({ length: 90 }, (_, i) => participant.handle(add(`c${i % 9}`, 1))));
    await relays.allPublished(90);
    for (const id of ['c0', 'c4', 'c8']) {
      const ids = await relays.idsOf(id);
      expect(broker.ids.filter((published) => ids.includes(published))).toEqual(ids);
    }
    expect(most).toBeGreaterThan(3);
  });

  it('waits for the one of its aggregate that could not be published, also when it was said much later', async () => {
    const broker = new Broker();
    const relay = relays.to(broker);
    const participant = counters(relays.pool, { outlet: relay });
    broker.answer = away;
    await Promise.all([1, 1].map((n) => participant.handle(add('a', n))));
    await relay.drain();
    broker.answer = () => Promise.resolve();
    await participant.handle(add('a', 1));
    await participant.handle(add('b', 1));
    await eventually(() => expect(broker.ids).toHaveLength(1));
    expect(broker.ids).toEqual(await relays.idsOf('b'));

    relay.start();
    await relays.allPublished(4);
    const ids = await relays.idsOf('a');
    expect(broker.ids.slice(1)).toEqual(ids);
    // And from then on it is quick again.
    await relay.drain();
    await participant.handle(add('a', 1));
    await relays.allPublished(5);
  });
});

describe('rows that a process left behind when it died', () => {
  it('are published by the sweep of another, oldest first', async () => {
    const rows = ['a', 'a', 'a', 'a'].map(rowOf);
    // Whatever order they lie in.
    await storeRows(relays.pool, rows.toReversed(), -1);
    const broker = new Broker();
    relays.to(broker).start();
    await relays.allPublished(4);
    expect(broker.ids).toEqual(rows.map(({ id }) => id));
  });

  it('are taken over when its lease is over, and not before', async () => {
    const ids = await relays.leftBehind(['a'], 600);
    const since = performance.now();
    const broker = new Broker();
    relays.to(broker).start();
    await relays.allPublished(1);
    expect(performance.now() - since).toBeGreaterThan(500);
    expect(broker.ids).toEqual(ids);
  });

  it('are shared by two relays: nothing is lost, and nothing is published twice', async () => {
    const ids = await relays.leftBehind(Array.from({ length: 1200 }, (_, i) => `c${i % 100}`));
    const broker = new Broker();
    broker.answer = () => turn();
    relays.to(broker, { leaseMs: 3000 }).start();
    relays.to(broker, { on: await relays.databases.pool(relays.pool.options.connectionString), leaseMs: 3000 }).start();
    await relays.allPublished(1200);
    expect(broker.ids.toSorted()).toEqual(ids.toSorted());
  });
});

describe('a row the broker will never take', () => {
  it('is quarantined with the reason, and those behind it go on', async () => {
    const broker = new Broker();
    const participant = counters(relays.pool, { outlet: relays.to(broker) });
    broker.answer = ({ data }) =>
      data.includes('1')
        ? Promise.reject(Object.assign(new Error('the message is too large'), { code: 'PUBLISH_REJECTED' }))
        : Promise.resolve();
    await Promise.all([1, 1, 2].map((n) => participant.handle(add('a', n))));
    await eventually(async () => {
      const { rows } = await relays.pool.query(
        'SELECT quarantined, published_at IS NOT NULL AS published FROM messaging.outbox ORDER BY id',
      );
      expect(rows).toEqual([
        { quarantined: 'the message is too large', published: false },
        { quarantined: null, published: true },
        { quarantined: null, published: true },
      ]);
    });
    const [id] = await relays.idsOf('a');
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
    await relays.leftBehind(['a']);
    relays.to(broker).start();
    await eventually(async () =>
      expect(await count(relays.pool, 'messaging.outbox WHERE quarantined IS NOT NULL')).toBe(1),
    );
    await relays.pool.query(`UPDATE messaging.outbox SET leased_until = '-infinity'`);
    const [later] = await relays.leftBehind(['b']);
    broker.answer = () => Promise.resolve();
    await eventually(() => expect(broker.ids).toEqual([later]));
    expect(tries).toBe(1);
  });
});

describe('draining', () => {
  it('resolves when what is in flight is published and marked, and what comes later stays in the table', async () => {
    const broker = new Broker();
    const gate = Promise.withResolvers<void>();
    broker.answer = () => gate.promise;
    const relay = relays.to(broker);
    relay.start();
    const participant = counters(relays.pool, { outlet: relay });
    await Promise.all(['a', 'a', 'b'].map((id) => participant.handle(add(id, 1))));
    let drained = false;
    const draining = relay.drain().then(() => (drained = true));
    await turn();
    expect(drained).toBe(false);
    gate.resolve();
    await draining;
    expect(await count(relays.pool, 'messaging.outbox WHERE published_at IS NOT NULL')).toBe(3);

    await relays.leftBehind(['z']);
    const next = new Broker();
    relays.to(next).start();
    await relays.allPublished(4);
    await relays.leftBehind(['z']);
    await relays.allPublished(5);
    expect(broker.ids).toHaveLength(3);
    expect(next.ids).toHaveLength(2);
  });

  it('resolves although the broker is away, and leaves the rows to the next process', async () => {
    const broker = new Broker();
    broker.answer = away;
    const relay = relays.to(broker);
    relay.start();
    await counters(relays.pool, { outlet: relay }).handle(add('a', 1));
    await relay.drain();
    const next = new Broker();
    relays.to(next).start();
    await relays.allPublished(1);
    expect(next.ids).toEqual(await relays.idsOf('a'));
  });
});

describe('a row the broker refuses for a reason nobody knows', () => {
  const refused = () =>
    Promise.reject(Object.assign(new Error('no such thing (10999)'), { code: 'RETRY_LATER', refused: true }));
  const quarantined = () => count(relays.pool, 'messaging.outbox WHERE quarantined IS NOT NULL');

  it('is quarantined when others are published again and again while it is refused', async () => {
    const broker = new Broker();
    broker.answer = ({ subject }) => (subject.endsWith('.odd') ? refused() : Promise.resolve());
    relays.to(broker, { leaseMs: 20 }).start();
    await relays.leftBehind(['odd']);
    await eventually(
      async () => {
        await relays.leftBehind(['a']);
        expect(await quarantined()).toBe(1);
      },
      { withinMs: 25_000 },
    );
    expect(await count(relays.pool, `messaging.outbox WHERE aggregate_id <> 'odd' AND quarantined IS NOT NULL`)).toBe(
      0,
    );
  });

  it('is not compared with events of other kinds, which may go to another stream', async () => {
    const broker = new Broker();
    let refusals = 0;
    broker.answer = ({ subject }) => {
      if (!subject.startsWith('counters.')) return Promise.resolve();
      refusals++;
      return refused();
    };
    relays.to(broker, { leaseMs: 20 }).start();
    await relays.leftBehind(['a']);
    await eventually(
      async () => {
        await storeRows(relays.pool, [{ ...rowOf('b'), subject: 'timers.fired.b' }], -1);
        expect(refusals).toBeGreaterThan(7);
      },
      { withinMs: 25_000 },
    );
    expect(await quarantined()).toBe(0);
  });

  it('waits like any other while all of them are refused', async () => {
    const broker = new Broker();
    let tries = 0;
    broker.answer = () => {
      tries++;
      return refused();
    };
    relays.to(broker, { leaseMs: 20 }).start();
    await relays.leftBehind(['a', 'b', 'c']);
    await eventually(() => expect(tries).toBeGreaterThan(3 * 6), { withinMs: 25_000 });
    expect(await quarantined()).toBe(0);
    broker.answer = () => Promise.resolve();
    await relays.allPublished(3);
  });
});
