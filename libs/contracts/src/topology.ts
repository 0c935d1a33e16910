import { ceType, earlierOf, events, type EventType, type Upcast } from './events/index.js';
import { heardBy, sourceOf, type Heard, type Service } from './participation.js';
import { SERVICES } from './services.js';
import { DEFAULT_STORE, roomOf, type Stored } from './store.js';

const SECOND = 1_000_000_000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;

/** What a service binds to: one durable pull consumer for each row it hears. */
export interface Listening {
  readonly stream: string;
  readonly subject: string;
  readonly durable: string;
  readonly type: string;
  /** By `ce-type`, earlier versions that are heard as well, and what makes of their payload the present one. */
  readonly earlier?: Readonly<Record<string, Upcast>>;
  readonly source: string;
}

/** The stream that holds an event until each of its listeners has acknowledged it. */
export const streamOf = (type: EventType): 'SAGA' | 'TIMERS' => (type.startsWith('timers.') ? 'TIMERS' : 'SAGA');

/** Where and as whom `service` hears `type`. */
export const hears = <S extends Service>(service: S, type: Heard<S>): Listening => ({
  stream: streamOf(type),
  subject: `${type}.*`,
  durable: `${service}_${type.replace('.', '-')}`,
  type: ceType(type),
  ...earlierOf(type),
  source: sourceOf(type),
});

/** The method that handles an event: `orders.created` is handled by `ordersCreated`. */
export type HandlerName<T extends EventType> = T extends `${infer What}.${infer Happened}`
  ? `${What}${Capitalize<Happened>}`
  : never;

/** Everything that `service` hears, with the class of each payload, by the name of its handler: for `@JetStreamEvents`. */
export const subscriptionsOf = <S extends Service>(service: S) =>
  Object.fromEntries(
    heardBy(service).map((event) => [
      event.replace(/\.(.)/, (_, first: string) => first.toUpperCase()),
      { ...hears(service, event as Heard<S>), event, payload: events[event].payload },
    ]),
  ) as unknown as {
    readonly [T in Heard<S> as HandlerName<T>]: Listening & {
      readonly event: T;
      readonly payload: (typeof events)[T]['payload'];
    };
  };

/** The subject of one event of one order. */
export const subjectOf = (type: EventType, orderId: string): string => `${type}.${orderId}`;

/** Every durable of the saga, in the table's order. */
export const durables = SERVICES.flatMap((service) =>
  heardBy(service).map((type) => ({ service, event: type, ...hears(service, type as never) })),
);

/** Where a durable's parked messages lie, and the durable that gives them back; named as the transport expects it. */
export const parkedOf = ({ stream, durable }: Pick<Listening, 'stream' | 'durable'>) => ({
  stream: 'PARKED',
  durable: `${stream}_${durable}`,
  subject: `parked.due.${stream}.${durable}.>`,
  /** What a message is parked under. */
  waiting: `parked.wait.${stream}.${durable}.>`,
});

const consumer = ({ durable, subject }: Pick<Listening, 'durable' | 'subject'>) => ({
  durable_name: durable,
  filter_subject: subject,
  ack_policy: 'explicit',
  deliver_policy: 'all',
  // The transport limits attempts itself: a server-side limit would strand the message with no trace of it in the lag.
  max_deliver: -1,
  // A dead process's messages are taken over after this; live ones renew it while they work.
  ack_wait: 5 * SECOND,
  // At least ten times the working concurrency of one instance: what is received and what waits for its key has a slot.
  max_ack_pending: 500,
});

/** How a deployment may change the streams. */
export interface TopologyOptions {
  /** Copies of every stream and bucket; 1 on a single server, 3 in a cluster. */
  replicas?: 1 | 3 | 5;
  /** Whether AUDIT is attached. Detach it when it stalls: it must never hold SAGA back. */
  audit?: boolean;
  /** Bytes that each server has for all of it; at least `LEAST_STORE`. Default `DEFAULT_STORE`. */
  store?: number;
}

/** Everything NATS holds for the platform, as plain data; `npm run topology -- plan | apply` compares and applies it. */
export function topology({ replicas = 1, audit = true, store = DEFAULT_STORE }: TopologyOptions = {}) {
  const on = (stream: string) => durables.filter((d) => d.stream === stream);
  const stream = (name: Stored) => ({
    name,
    storage: 'file',
    num_replicas: replicas,
    max_bytes: roomOf(name, store),
  });
  const bucket = (name: 'flags' | 'attempts') => ({ name, replicas, max_bytes: roomOf(`KV_${name}`, store) });
  const AUDIT_DELIVER = 'audit.deliver.saga';
  return {
    streams: [
      {
        config: {
          ...stream('SAGA'),
          description: 'The order saga: every event until each of its listeners has acknowledged it',
          retention: 'interest',
          // Enumerated, so that a publish nobody hears fails loudly.
          subjects: (Object.keys(events) as EventType[]).filter((t) => streamOf(t) === 'SAGA').map((t) => `${t}.*`),
          // Full, it refuses: an outbox keeps what is refused, and nobody has what is dropped.
          discard: 'new',
          max_age: DAY,
          duplicate_window: 120 * SECOND,
          deny_delete: true,
          deny_purge: true,
        },
        consumers: [
          ...on('SAGA').map(consumer),
          ...(audit
            ? [
                {
                  durable_name: 'audit',
                  ack_policy: 'flow_control',
                  deliver_subject: AUDIT_DELIVER,
                  flow_control: true,
                  idle_heartbeat: SECOND,
                  max_ack_pending: 1000,
                },
              ]
            : []),
        ],
      },
      {
        config: {
          ...stream('TIMERS'),
          description: 'Deadlines: schedules, and the moments they fired',
          retention: 'limits',
          subjects: ['timers.schedule.*', 'timers.deadline.*'],
          allow_msg_schedules: true,
          allow_msg_ttl: true,
          // What fired goes first, being the oldest; order ends what is late without its timer, too.
          discard: 'old',
          max_age: 2 * DAY,
          duplicate_window: 120 * SECOND,
        },
        consumers: on('TIMERS').map(consumer),
      },
      {
        config: {
          ...stream('PARKED'),
          description: 'The waiting room: single messages until their next attempt, each for one durable',
          // Whoever it belongs to acknowledges it, and it is gone.
          retention: 'workqueue',
          subjects: ['parked.wait.>', 'parked.due.>'],
          allow_msg_schedules: true,
          // Schedules allow nothing else. The transport stops well before it is full, and messages wait in their own streams.
          discard: 'old',
          duplicate_window: 120 * SECOND,
        },
        consumers: durables.map(parkedOf).map(consumer),
      },
      {
        config: {
          ...stream('DLQ'),
          description: 'Dead letters: what a durable could not handle, with the reason',
          retention: 'limits',
          subjects: ['dlq.>'],
          // A message whose letter is refused stays with its durable; an undecided letter that is dropped is an order lost.
          discard: 'new',
          max_age: 30 * DAY,
          // Longer than the longest redelivery: a crash between copy and term must not copy twice.
          duplicate_window: DAY,
        },
      },
      ...(audit
        ? [
            {
              config: {
                ...stream('AUDIT'),
                description: 'Everything SAGA carried, for seven days or as far back as there is room',
                retention: 'limits',
                // Refusing, it would hold SAGA back.
                discard: 'old',
                max_age: 7 * DAY,
                sources: [
                  {
                    name: 'SAGA',
                    consumer: { name: 'audit', deliver_subject: AUDIT_DELIVER },
                    // One subject an order would cost about 300 bytes of server memory each, for the whole week.
                    subject_transforms: [{ src: '*.*.*', dest: '{{wildcard(1)}}.{{wildcard(2)}}' }],
                  },
                ],
              },
            },
          ]
        : []),
    ],
    buckets: [
      { ...bucket('flags'), history: 10, description: 'Feature flags' },
      { ...bucket('attempts'), history: 1, ttl: DAY, description: 'How often a suspect message was started' },
    ],
  };
}
