import {
  ceType,
  DEFAULT_STORE,
  durables,
  events,
  type EventType,
  heardBy,
  hears,
  LEAST_STORE,
  outboundOf,
  SERVICES,
  saidBy,
  subjectOf,
  topology,
  type TopologyOptions,
} from './index.js';

/** The most messages one durable works on at once, as the transport does by default. */
const CONCURRENCY = 16;

interface Consumer {
  durable_name: string;
  filter_subject?: string;
  ack_policy: string;
  max_ack_pending: number;
  max_deliver?: number;
}
interface Stream {
  config: Record<string, unknown> & { name: string; subjects?: string[] };
  consumers?: Consumer[];
}
const streamsOf = (options?: Parameters<typeof topology>[0]) => topology(options).streams as unknown as Stream[];
const stream = (name: string, options?: Parameters<typeof topology>[0]) =>
  streamsOf(options).find(({ config }) => config.name === name)!;
const consumers = (name: string) => stream(name).consumers!.filter(({ durable_name: durable }) => durable !== 'audit');
/** Whether a subject matches a filter in which `*` stands for one token and `>` for the rest. */
const matches = (filter: string, subject: string) =>
  new RegExp(`^${filter.replaceAll('.', '\\.').replaceAll('*', '[^.]+').replace(/>$/, '.+')}$`).test(subject);
const orderId = '01990000-0000-7000-8000-000000000001';

describe('every message', () => {
  const published = SERVICES.flatMap((service) =>
    saidBy(service).map((type) =>
      outboundOf(service)(orderId, { type, data: { deadlineAt: new Date(0).toISOString() } } as never)!,
    ),
  );

  it.each(published.map(({ subject }) => subject))('published on %s is kept by exactly one stream', (subject) => {
    const keepers = streamsOf().filter(({ config }) => config.subjects?.some((filter) => matches(filter, subject)));
    expect(keepers).toHaveLength(1);
  });

  it.each(Object.keys(events) as EventType[])(
    'of type %s is heard by a durable of each service that the table names',
    (type) => {
      const subject = subjectOf(type, orderId);
      const listeners = SERVICES.filter((service) => heardBy(service).includes(type));
      const bound = ['SAGA', 'TIMERS'].flatMap(consumers).filter((c) => matches(c.filter_subject!, subject));
      expect(bound.map((c) => c.durable_name.split('_')[0]).toSorted()).toEqual(listeners.toSorted());
      expect(listeners).not.toEqual([]);
    },
  );

  it('carries the version of its event and the service that says it', () => {
    expect(outboundOf('order')(orderId, { type: 'orders.confirmed', data: {} } as never)).toMatchObject({
      subject: `orders.confirmed.${orderId}`,
      type: 'orders.confirmed.v1',
      source: 'order',
    });
  });
});

it('keeps the private facts of a service private, and what the table does not let it say', () => {
  expect(outboundOf('order')(orderId, { type: 'placed' })).toBeUndefined();
  expect(outboundOf('inventory')(orderId, { type: 'orders.confirmed' })).toBeUndefined();
});

it('turns a deadline into a schedule that fires into a subject of its own stream, under the order it is about', () => {
  const deadlineAt = '2030-01-01T12:15:00.000Z';
  const timer = outboundOf('order')(orderId, { type: 'timers.deadline', data: { deadlineAt } } as never)!;
  expect(timer).toMatchObject({
    subject: `timers.schedule.${orderId}`,
    headers: { 'Nats-Schedule': `@at ${deadlineAt}`, 'Nats-Schedule-Target': `timers.deadline.${orderId}` },
  });
  expect(stream('TIMERS').config).toMatchObject({ allow_msg_schedules: true });
  expect(stream('TIMERS').config.subjects!.some((s) => matches(s, timer.headers!['Nats-Schedule-Target']!))).toBe(true);
});

describe('durables', () => {
  it('are named after service and event, each once', () => {
    const names = durables.map(({ durable }) => durable);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('payment_orders-created');
    for (const name of names) expect(name).toMatch(/^[a-z]+_[a-z]+-[a-z]+$/);
  });

  it('are one for each row that is heard, and what a service binds to', () => {
    expect(durables.map(({ service, event }) => [service, event])).toEqual(
      SERVICES.flatMap((service) => heardBy(service).map((event) => [service, event])),
    );
    for (const { service, event, ...listening } of durables) {
      expect(hears(service, event as never)).toEqual(listening);
      expect(listening.type).toBe(ceType(event));
      const bound = consumers(listening.stream).find((c) => c.durable_name === listening.durable);
      expect(bound?.filter_subject).toBe(listening.subject);
    }
  });

  it('have each a place in the waiting room, from which they and nobody else get back what they parked', () => {
    expect(consumers('PARKED').map((c) => [c.durable_name, c.filter_subject])).toEqual(
      durables.map(({ stream: of, durable }) => [`${of}_${durable}`, `parked.due.${of}.${durable}.>`]),
    );
    expect(stream('PARKED').config).toMatchObject({ retention: 'workqueue', allow_msg_schedules: true });
  });

  it('acknowledge each message, are redelivered without end, and have room for parked messages', () => {
    for (const consumer of ['SAGA', 'TIMERS', 'PARKED'].flatMap(consumers)) {
      expect(consumer).toMatchObject({ ack_policy: 'explicit', max_deliver: -1 });
      expect(consumer.max_ack_pending).toBeGreaterThanOrEqual(10 * CONCURRENCY);
    }
  });
});

describe('the streams', () => {
  it('keep a message of the saga until everybody has it, refuse what does not fit, and let nobody delete', () => {
    expect(stream('SAGA').config).toMatchObject({
      retention: 'interest',
      discard: 'new',
      deny_delete: true,
      deny_purge: true,
      storage: 'file',
    });
  });

  it.each<[string, TopologyOptions]>([
    ['alone', {}],
    ['in a cluster with a large store', { replicas: 3, store: 100 * 1024 ** 3 }],
    ['with the least store', { store: LEAST_STORE }],
    ['without AUDIT', { audit: false }],
  ])(
    'and buckets have a limit each, room for a message of the largest size, and together fit the store: %s',
    (_, options) => {
      const { streams, buckets } = topology(options);
      const limits = [...streams.map(({ config }) => config), ...buckets].map((held) => [held.name, held.max_bytes]);
      for (const [name, limit] of limits) expect([name, Number(limit) >= 1024 ** 2]).toEqual([name, true]);
      const all = limits.reduce((sum, [, limit]) => sum + Number(limit), 0);
      expect(all).toBeLessThanOrEqual(options.store ?? DEFAULT_STORE);
    },
  );

  it('have the same limits whether AUDIT is attached or not', () => {
    expect(stream('SAGA', { audit: false }).config['max_bytes']).toBe(stream('SAGA').config['max_bytes']);
  });

  it('are not squeezed into a store in which they could not work', () => {
    expect(() => topology({ store: LEAST_STORE - 1 })).toThrow(/too small.*at least 268435456 \(256 MiB\)/);
    expect(() => topology({ store: Number.NaN })).toThrow(RangeError);
  });

  it('shed their oldest where that is nobody’s loss, and refuse where it would be', () => {
    expect(streamsOf().map(({ config }) => [config.name, config['discard']])).toEqual([
      ['SAGA', 'new'],
      ['TIMERS', 'old'],
      ['PARKED', 'old'],
      ['DLQ', 'new'],
      ['AUDIT', 'old'],
    ]);
  });

  it('enumerate the subjects of the saga, so that a publish nobody hears fails', () => {
    for (const subject of stream('SAGA').config.subjects!) expect(subject).toMatch(/^[a-z]+\.[a-z]+\.\*$/);
  });

  it('copy the saga to AUDIT under two subjects tokens, and can do without', () => {
    expect(stream('AUDIT').config).toMatchObject({ retention: 'limits', sources: [{ name: 'SAGA' }] });
    expect(streamsOf({ audit: false }).map(({ config }) => config.name)).toEqual(['SAGA', 'TIMERS', 'PARKED', 'DLQ']);
    expect(stream('SAGA', { audit: false }).consumers!.map((c) => c.durable_name)).not.toContain('audit');
  });

  it('and buckets have as many copies as the deployment asks for', () => {
    const { streams, buckets } = topology({ replicas: 3 });
    for (const { config } of streams) expect(config.num_replicas).toBe(3);
    for (const bucket of buckets) expect(bucket.replicas).toBe(3);
  });

  it('keep a deadline longer than any order waits', () => {
    expect(stream('TIMERS').config['max_age']).toBeGreaterThan(15 * 60 * 1e9);
  });
});
