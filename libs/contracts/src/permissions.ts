import { heardBy, saidBy, type Service } from './participation.js';
import { SERVICES } from './services.js';
import { hears, parkedOf, subjectOf } from './topology.js';

/** What a user of the broker may do; whatever is not listed is refused. */
export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Who connects to the broker: every service, and the operator for provisioning and tools. */
export type BrokerUser = Service | 'operator';

/** Read, watched, and never written by a service. A watch is a consumer of its own, made and removed by the client. */
const FLAGS = [
  '$JS.API.STREAM.INFO.KV_flags',
  '$JS.API.DIRECT.GET.KV_flags.>',
  '$JS.API.CONSUMER.CREATE.KV_flags.>',
  '$JS.API.CONSUMER.INFO.KV_flags.>',
  '$JS.API.CONSUMER.DELETE.KV_flags.>',
  ...bothFormats('FC', 'KV_flags'),
];

/** What the table makes necessary for a service: to say its events, and to work off its own durables. */
export const permissions = (service: Service): Permissions => ({
  publish: [
    // A deadline is said as a schedule; the event itself is the broker's to say, when the time has come.
    ...saidBy(service).map((type) => (type === 'timers.deadline' ? 'timers.schedule.*' : subjectOf(type, '*'))),
    ...heardBy(service).flatMap((type) => ofDurable(hears(service, type as never))),
    // For its metrics, how many messages a stream holds and how old they are; for order also whether it holds an ending;
    // for the transport what waits, and whether the streams are there that failing messages need.
    ...new Set(heardBy(service).map((type) => `$JS.API.STREAM.INFO.${hears(service, type as never).stream}`)),
    ...['PARKED', 'DLQ', 'KV_attempts'].map((stream) => `$JS.API.STREAM.INFO.${stream}`),
    ...FLAGS,
  ],
  subscribe: [
    `_INBOX_${service}.>`,
    // What other instances of it park.
    ...heardBy(service).map((type) => parkedOf(hears(service, type as never)).waiting),
  ],
});

/** Every user of the broker with what it may do. */
export const brokerUsers = (): Record<BrokerUser, Permissions> =>
  Object.fromEntries([
    ...SERVICES.map((service) => [service, permissions(service)]),
    ['operator', { publish: ['>'], subscribe: ['>'] }],
  ]) as Record<BrokerUser, Permissions>;

// Wildcards cover whole tokens only, so that each durable has to be named.
function ofDurable(listening: { stream: string; durable: string }): string[] {
  const { stream, durable } = listening;
  const parked = parkedOf(listening);
  return [
    ...[listening, parked].flatMap((of) => [
      `$JS.API.CONSUMER.INFO.${of.stream}.${of.durable}`,
      `$JS.API.CONSUMER.MSG.NEXT.${of.stream}.${of.durable}`,
      ...bothFormats('ACK', `${of.stream}.${of.durable}`),
    ]),
    parked.waiting,
    `dlq.${durable}.>`,
    `$JS.API.DIRECT.GET.KV_attempts.$KV.attempts.${stream}.${durable}.>`,
    `$KV.attempts.${stream}.${durable}.>`,
  ];
}

/** nats-server before 2.16 puts no domain and account into these subjects unless told to; later ones do. */
function bothFormats(kind: 'ACK' | 'FC', of: string): string[] {
  return [`$JS.${kind}.${of}.>`, `$JS.${kind}.*.*.${of}.>`];
}
