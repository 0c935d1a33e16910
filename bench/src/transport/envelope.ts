import type { CloudEvent } from '@pavane/jetstream';

/** What an outbox has written of a trace by the time that its relay publishes. */
const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** What an event says about itself; each is about an order of its own. */
export function envelopeOf(id: string): CloudEvent {
  return {
    id,
    type: 'payments.completed.v1',
    source: 'bench',
    subject: id,
    time: new Date().toISOString(),
    traceparent: TRACEPARENT,
  };
}
