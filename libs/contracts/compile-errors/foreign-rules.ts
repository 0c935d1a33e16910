// The rules given to a participant are those of its own service.
import { OutboxModule, Participant, type Rules, type Store } from '@pavane/outbox';
import { type Messages, type NoCommands, outboundOf } from '../src/index.js';

type Recorded = { type: 'recorded' };
class Payments extends Participant<{ charged: boolean }, Messages<'payment', NoCommands>, Recorded> {}
declare const rules: Rules<{ charged: boolean }, Messages<'notification', NoCommands>, Recorded>;
declare class PaymentStore implements Store<{ charged: boolean }, Messages<'payment', NoCommands>, Recorded> {
  load(): Promise<Map<string, { charged: boolean }>>;
  save(): Promise<void>;
}
OutboxModule.forParticipant({ participant: Payments, rules, store: PaymentStore, outbound: outboundOf('payment') });
