import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { eventually } from '@pavane/testing';
import { apply, plan, type Topology } from '../provisioning.js';
import { Broker, topology } from '../testing/broker.js';

const CREATED = { payment: 'orders.created.*', notification: 'orders.created.*' };

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
});
afterEach(() => broker[Symbol.asyncDispose]());

const lines = async (wanted: Topology) => (await plan(broker.nc, wanted)).map(String);

describe('applying a topology', () => {
  it('makes streams, their durables and buckets, tells each change on one line, and does nothing the second time', async () => {
    const told: string[] = [];
    await apply(broker.nc, topology(CREATED), { onChange: (change) => told.push(String(change)) });
    expect(told).toEqual([
      'create stream SAGA: interest, orders.>',
      'create consumer SAGA/payment: orders.created.*',
      'create consumer SAGA/notification: orders.created.*',
      'create stream DLQ: limits, dlq.>',
      'create stream KV_attempts: limits, $KV.attempts.>',
    ]);
    expect(await lines(topology(CREATED))).toEqual([]);
    expect(await apply(broker.nc, topology(CREATED))).toEqual([]);
    const kv = await new Kvm(jetstream(broker.nc)).open('attempts');
    await kv.put('a', '1');
    expect((await kv.get('a'))!.string()).toBe('1');
  });

  it('agrees with a bucket made by the client', async () => {
    await new Kvm(jetstream(broker.nc)).create('flags', { history: 10, ttl: 3_600_000 });
    expect(await lines({ streams: [], buckets: [{ name: 'flags', history: 10, ttl: 3600e9 }] })).toEqual([]);
  });

  it('changes only what the topology names', async () => {
    await apply(broker.nc, topology(CREATED));
    const jsm = await jetstreamManager(broker.nc);
    await jsm.streams.update('SAGA', { description: 'set by hand', max_age: 600e9 });
    const wanted = topology(CREATED, { ack_wait: 9e9 }, { max_bytes: 1_000_000 });
    expect(await lines(wanted)).toEqual([
      'update stream SAGA: max_bytes unlimited → 976.6 KiB',
      'update consumer SAGA/payment: ack_wait 5 s → 9 s',
      'update consumer SAGA/notification: ack_wait 5 s → 9 s',
    ]);
    await apply(broker.nc, wanted);
    expect((await jsm.streams.info('SAGA')).config).toMatchObject({
      description: 'set by hand',
      max_age: 600e9,
      max_bytes: 1_000_000,
    });
    expect((await jsm.consumers.info('SAGA', 'payment')).config.ack_wait).toBe(9e9);
  });

  it('makes the durable of an archive before the archive that reads through it', async () => {
    const wanted = topology(CREATED);
    const archived: Topology = {
      ...wanted,
      streams: [
        {
          ...wanted.streams[0]!,
          consumers: [
            ...wanted.streams[0]!.consumers!,
            {
              durable_name: 'audit',
              ack_policy: 'flow_control',
              deliver_subject: 'audit.deliver.saga',
              flow_control: true,
              idle_heartbeat: 1e9,
              max_ack_pending: 1000,
            },
          ],
        },
        {
          config: {
            name: 'AUDIT',
            retention: 'limits',
            sources: [
              {
                name: 'SAGA',
                consumer: { name: 'audit', deliver_subject: 'audit.deliver.saga' },
                subject_transforms: [{ src: '*.*.*', dest: '{{wildcard(1)}}.{{wildcard(2)}}' }],
              },
            ],
          },
        },
      ],
    };
    await apply(broker.nc, archived);
    expect(await lines(archived)).toEqual([]);
    await broker.publish('orders.created.o1');
    await eventually(async () => expect(await broker.held('AUDIT')).toBe(1));
    const jsm = await jetstreamManager(broker.nc);
    expect((await jsm.streams.getMessage('AUDIT', { seq: 1 }))!.subject).toBe('orders.created');
  });

  it('reports what is not in the topology, and removes leftover durables only when forced', async () => {
    await apply(broker.nc, topology(CREATED));
    const jsm = await jetstreamManager(broker.nc);
    await jsm.streams.add({ name: 'OTHER', subjects: ['other'] });
    await jsm.streams.add({ name: 'SMALL', subjects: ['small'], max_bytes: 1_000_000 });
    await broker.publish('orders.created.o1');
    const without = topology({ payment: 'orders.created.*' });
    const report = [
      'leftover consumer SAGA/notification: not in the topology — refused unless forced: its 1 unhandled messages would be lost to it',
      'leftover stream OTHER: not in the topology; remove it by hand if it is nobody’s, else limit it: without max_bytes it can take the room of all others',
      'leftover stream SMALL: not in the topology; remove it by hand if it is nobody’s',
    ];
    expect((await apply(broker.nc, without)).map(String)).toEqual(report);
    expect((await jsm.consumers.info('SAGA', 'notification')).num_pending).toBe(1);
    await apply(broker.nc, without, { force: true });
    await expect(jsm.consumers.info('SAGA', 'notification')).rejects.toThrow('consumer not found');
    expect((await jsm.streams.info('OTHER')).config.name).toBe('OTHER');
  });
});

describe('a change that would lose messages or cannot be undone', () => {
  const refused: [string, Topology, RegExp][] = [
    [
      'a narrower filter',
      topology({ payment: 'orders.created.o1', notification: 'orders.created.*' }),
      /update consumer SAGA\/payment.*narrower while 2 messages/,
    ],
    [
      'a consumer that has to be made anew',
      topology(CREATED, { deliver_policy: 'new' }),
      /recreate consumer SAGA\/payment.*made anew/,
    ],
    [
      'subjects removed while messages of them are stored',
      topology(CREATED, {}, { subjects: ['orders.cancelled.*'] }),
      /'orders.>' is removed while messages of it are stored/,
    ],
    ['other retention', topology(CREATED, {}, { retention: 'limits' }), /other retention/],
    ['a limit below what is stored', topology(CREATED, {}, { max_msgs: 1 }), /it would drop 1 messages/],
    [
      'an age younger than what is stored',
      topology(CREATED, {}, { max_age: 100e6, duplicate_window: 100e6 }),
      /it would drop messages as old as/,
    ],
    ['what cannot be taken back', topology(CREATED, {}, { deny_delete: true }), /deny_delete cannot be taken back/],
  ];

  it.each(refused)('is refused before anything is done: %s', async (_what, wanted, reason) => {
    await apply(broker.nc, topology(CREATED));
    await broker.publish('orders.created.o1');
    await broker.publish('orders.created.o2');
    await new Promise((resolve) => setTimeout(resolve, 110));
    const before = await broker.consumer('payment');
    await expect(apply(broker.nc, wanted)).rejects.toMatchObject({
      code: 'PROVISIONING',
      message: expect.stringMatching(reason) as string,
    });
    expect((await broker.consumer('payment')).config).toEqual(before.config);
    expect(await broker.stored()).toBe(2);
  });

  it('is done when forced', async () => {
    await apply(broker.nc, topology(CREATED));
    await broker.publish('orders.created.o1');
    await broker.publish('orders.created.o2');
    await apply(broker.nc, topology({ payment: 'orders.created.o1', notification: 'orders.created.*' }), {
      force: true,
    });
    expect((await broker.consumer('payment')).num_pending).toBe(1);
    await apply(broker.nc, topology(CREATED, { deliver_policy: 'new' }), { force: true });
    expect((await broker.consumer('payment')).config.deliver_policy).toBe('new');
  });

  it('is no such change when a filter gets wider or a stream takes more subjects', async () => {
    await apply(broker.nc, topology(CREATED));
    await broker.publish('orders.created.o1');
    await apply(
      broker.nc,
      topology({ payment: 'orders.>', notification: 'orders.created.*' }, {}, { subjects: ['orders.>', 'payments.>'] }),
    );
    expect((await broker.consumer('payment')).num_pending).toBe(1);
  });
});

describe('the room that streams ask for', () => {
  const MiB = 1024 ** 2;
  const two = (one: number, other: number): Topology => ({
    streams: [
      { config: { name: 'ONE', subjects: ['one'], max_bytes: one * MiB } },
      { config: { name: 'OTHER', subjects: ['other'], max_bytes: other * MiB } },
    ],
    buckets: [],
  });
  const OPEN = 'accounts { A { jetstream { max_file: 10MiB }, users: [{ user: a, password: a }] } }, no_auth_user: a';

  it.each([
    ['the server', 'jetstream { max_file_store: 10MiB }', 'the server answers "insufficient storage resources'],
    ['the account', OPEN, 'of the 10 MiB of the account 10 MiB are not taken'],
  ])('has to be there together before anything is made, else all sizes are told: %s', async (_, config, reason) => {
    await using small = await Broker.start({ config });
    const names = async () => (await jetstreamManager(small.nc)).streams.names().next();
    await expect(apply(small.nc, two(8, 3))).rejects.toMatchObject({
      code: 'PROVISIONING',
      message: expect.stringContaining(
        `the streams need 11 MiB on each server (ONE 8 MiB, OTHER 3 MiB), 11 MiB more than they have there, and ${reason}`,
      ) as string,
    });
    await expect(plan(small.nc, two(8, 3))).rejects.toThrow(/no room.*max_file_store/);
    expect(await names()).toEqual([]);

    await apply(small.nc, two(8, 2));
    expect(await names()).toEqual(['ONE', 'OTHER']);
    expect((await plan(small.nc, two(8, 2))).map(String)).toEqual([]);
    await expect(plan(small.nc, two(8, 3))).rejects.toThrow('1 MiB more than they have there');
    expect((await plan(small.nc, two(7, 3))).map(String)).toEqual([
      'update stream ONE: max_bytes 8 MiB → 7 MiB',
      'update stream OTHER: max_bytes 2 MiB → 3 MiB',
    ]);
  });
});

describe('an error of the server', () => {
  it.each<[string, Topology, RegExp]>([
    [
      'overlapping subjects',
      { streams: [{ config: { name: 'TWO', subjects: ['orders.created.*'] } }], buckets: [] },
      /Could not create stream TWO: .*\(10065\)\. Another stream listens on these subjects/,
    ],
    [
      'more replicas than servers',
      { streams: [{ config: { name: 'TWO', subjects: ['two'], num_replicas: 3 } }], buckets: [] },
      /Could not create stream TWO: .*\(10074\)\. Run a cluster, or ask for one replica/,
    ],
    [
      'a change the server forbids',
      topology(CREATED, {}, { storage: 'memory' }),
      /Could not update stream SAGA: .*\(10052\)\. The server does not allow this change/,
    ],
  ])('says what happened, to what, and what to do: %s', async (_what, wanted, text) => {
    await apply(broker.nc, topology(CREATED));
    await expect(apply(broker.nc, wanted)).rejects.toMatchObject({
      code: 'PROVISIONING',
      message: expect.stringMatching(text) as string,
    });
  });
});
