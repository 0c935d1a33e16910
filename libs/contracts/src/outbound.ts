import { ceType, type Event } from './events/index.js';
import { saidBy, type Service } from './participation.js';
import { subjectOf } from './topology.js';

/** What an outbox stores of an event: where it goes and what it says. */
export interface Outbound {
  readonly subject: string;
  readonly type: string;
  readonly source: string;
  readonly data: object;
  /** Headers beside those of CloudEvents. */
  readonly headers?: Record<string, string>;
}

/** Turns the facts of a service into messages; facts that are no events of the table stay private and give `undefined`. */
export function outboundOf(service: Service): (orderId: string, fact: { type: string }) => Outbound | undefined {
  const events = new Set<string>(saidBy(service));
  return (orderId, fact) => {
    if (!events.has(fact.type)) return undefined;
    const { type, data } = fact as Event;
    const message = { subject: subjectOf(type, orderId), type: ceType(type), source: service, data };
    if (type !== 'timers.deadline') return message;
    // A timer is a schedule that turns into the event when its time has come; both subjects belong to the TIMERS stream.
    return {
      ...message,
      subject: `timers.schedule.${orderId}`,
      headers: {
        'Nats-Schedule': `@at ${new Date(data.deadlineAt).toISOString()}`,
        'Nats-Schedule-Target': message.subject,
      },
    };
  };
}
