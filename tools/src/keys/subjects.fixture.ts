import { durables, events, type EventType, flags, saidBy, type Service } from '@pavane/contracts';
import { USERS } from './ring.js';

/** Every stream, those of buckets included. */
export const STREAMS = ['SAGA', 'TIMERS', 'PARKED', 'DLQ', 'AUDIT', 'KV_flags', 'KV_attempts'];
const subjectsOf = ({ stream, durable }: (typeof durables)[number]): string[] => [
  `$JS.API.CONSUMER.INFO.${stream}.${durable}`,
  `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`,
  `$JS.ACK.${stream}.${durable}.1.999999.999999.1.0`,
  `$JS.ACK._.hash.${stream}.${durable}.1.999999.999999.1.0.token`,
  `dlq.${durable}.matrix`,
  `$JS.API.CONSUMER.INFO.PARKED.${stream}_${durable}`,
  `$JS.API.CONSUMER.MSG.NEXT.PARKED.${stream}_${durable}`,
  `$JS.ACK.PARKED.${stream}_${durable}.1.999999.999999.1.0`,
  `parked.wait.${stream}.${durable}.matrix.1`,
  `$KV.attempts.${stream}.${durable}.matrix`,
  `$JS.API.DIRECT.GET.KV_attempts.$KV.attempts.${stream}.${durable}.matrix`,
];

/** What a service must be able to publish on, besides its events. */
export const own = (service: Service): string[] => [
  ...durables
    .filter((durable) => durable.service === service)
    .flatMap((durable) => [...subjectsOf(durable), `$JS.API.STREAM.INFO.${durable.stream}`]),
  '$JS.API.DIRECT.GET.KV_flags.$KV.flags.orders.intake',
  ...['KV_flags', 'KV_attempts', 'PARKED', 'DLQ'].map((stream) => `$JS.API.STREAM.INFO.${stream}`),
];

/** What a service that was taken over might try, by what that would be. */
export function foreign(service: Service): Record<string, string[]> {
  const each = (calls: string[], of: string[]) => calls.flatMap((call) => of.map((name) => `$JS.API.${call}.${name}`));
  const said: readonly string[] = saidBy(service).filter((type) => type !== 'timers.deadline');
  return {
    "say another's event": (Object.keys(events) as EventType[])
      .filter((type) => !said.includes(type))
      .map((type) => `${type}.matrix`),
    'bring a parked message back before its time, not even its own': durables.map(
      ({ stream, durable }) => `parked.due.${stream}.${durable}.matrix.1`,
    ),
    "use another's durable": durables.filter((durable) => durable.service !== service).flatMap(subjectsOf),
    'create a consumer': [
      ...each(
        ['CONSUMER.CREATE', 'CONSUMER.LIST', 'CONSUMER.NAMES'],
        STREAMS.filter((stream) => stream !== 'KV_flags'),
      ),
      '$JS.API.CONSUMER.CREATE.SAGA.spy',
      '$JS.API.CONSUMER.CREATE.SAGA.spy.orders.created.*',
      '$JS.API.CONSUMER.DURABLE.CREATE.SAGA.spy',
    ],
    'delete, pause or reset a consumer, not even its own': each(
      ['CONSUMER.DELETE', 'CONSUMER.PAUSE', 'CONSUMER.RESET', 'CONSUMER.UNPIN', 'CONSUMER.LEADER.STEPDOWN'],
      durables.map(({ stream, durable }) => `${stream}.${durable}`),
    ),
    'delete, purge, change or read a stream': each(
      ['CREATE', 'UPDATE', 'DELETE', 'PURGE', 'MSG.GET', 'MSG.DELETE', 'SNAPSHOT', 'RESTORE'].map((c) => `STREAM.${c}`),
      STREAMS,
    ),
    'set a flag, or a count of attempts without a durable': [
      ...Object.keys(flags).map((flag) => `$KV.flags.${flag}`),
      '$KV.attempts.matrix',
    ],
    "forge another's reply, an advisory or a copy for the archive": [
      ...USERS.map((user) => `_INBOX_${user}.matrix.1`),
      '_INBOX.matrix.1',
      '$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.SAGA.audit',
      'audit.deliver.saga',
      '$JS.ACK.SAGA.audit.1.1.1.1.0',
    ],
    'look around': ['$JS.API.INFO', '$JS.API.STREAM.LIST', '$JS.API.STREAM.NAMES', '$SYS.REQ.SERVER.PING'],
  };
}
