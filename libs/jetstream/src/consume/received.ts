import type { JsMsg } from '@nats-io/jetstream';
import type { Binding } from './binding.js';
import { fromMsgHdrs } from '../publish/envelope.js';

/** Headers of a message in the waiting room, besides those it had. */
export const PARKED = {
  /** The subject it had in its stream. */
  subject: 'parked-subject',
  /** Its place in its stream. */
  sequence: 'parked-sequence',
  /** When its stream stored it. */
  storedAt: 'parked-stored-at',
  /** How often it was parked, this time included. */
  times: 'parked-times',
  /** Why, on one line. */
  reason: 'parked-reason',
} as const;

/** Of the waiting room's own, or of a schedule: not the event's. */
const ADDED = /^(parked-|nats-schedul)/i;

/** A delivery as its handlers and the dead letters know it, whether it came from its stream or from the waiting room. */
export interface Received {
  readonly message: JsMsg;
  readonly binding: Binding;
  /** Unique among all messages of all durables, and the same at every delivery: `<stream>.<durable>.<sequence>`. */
  readonly id: string;
  /** As published. */
  readonly subject: string;
  readonly headers: Record<string, string>;
  /** Its place in its stream. */
  readonly sequence: number;
  /** When its stream stored it, in milliseconds since the epoch. */
  readonly storedAt: number;
  /** How often it has been parked; 0 when it comes from its stream. */
  readonly parked: number;
  /** Deliveries in its stream or since it was parked last, this one included. */
  readonly deliveries: number;
  /** The key of the event (`ce-subject`). */
  readonly key: string | undefined;
}

/** How often a message has come to its durable, as far as it can tell itself. */
export const triesOf = ({ deliveries, parked }: Pick<Received, 'deliveries' | 'parked'>): number => deliveries + parked;

export function receive(message: JsMsg, binding: Binding, fromRoom: boolean): Received {
  const all = fromMsgHdrs(message.headers);
  const headers = fromRoom ? Object.fromEntries(Object.entries(all).filter(([name]) => !ADDED.test(name))) : all;
  const sequence = fromRoom ? Number(all[PARKED.sequence]) : message.seq;
  return {
    message,
    binding,
    id: `${binding.stream}.${binding.durable}.${sequence}`,
    subject: (fromRoom && all[PARKED.subject]) || message.subject,
    headers,
    sequence,
    storedAt: fromRoom ? Date.parse(all[PARKED.storedAt] ?? '') || message.time.getTime() : message.time.getTime(),
    parked: fromRoom ? Number(all[PARKED.times]) || 1 : 0,
    deliveries: message.info.deliveryCount,
    key: headers['ce-subject'] || undefined,
  };
}
