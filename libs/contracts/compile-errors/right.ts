// Compiles: every row has a decision and a handler, and each says only what the table licenses.
import { type EventHandlers, type JetStreamContext, JetStreamEvents } from '@pavane/jetstream';
import { OutboxModule, Participant, participantController, type Rules, type Store } from '@pavane/outbox';
import {
  type Decisions,
  decideBy,
  type Event,
  hears,
  type Messages,
  type OrdersCancelled,
  type OrdersCreated,
  outboundOf,
  subscriptionsOf,
} from '../src/index.js';

interface Payment {
  charged: boolean;
}
type Fact = { type: 'charged' };
type Commands = { settle: { for: 'orders.created'; data: 'captured' | 'declined' } };

const amount = { amount: 100, currency: 'EUR' };
const decisions: Decisions<'payment', Payment, Fact, Commands> = {
  'orders.created': ({ data }, { charged }) =>
    charged ? [{ type: 'payments.completed', data: { amount, items: data.items } }] : [],
  'orders.cancelled': (_, { charged }) => (charged ? [{ type: 'payments.refunded', data: { amount } }] : []),
  settle: ({ data }) => [
    { type: 'charged' },
    data === 'captured'
      ? { type: 'payments.completed', data: { amount, items: [] } }
      : { type: 'payments.failed', data: { reason: data } },
  ],
};
export const decide = decideBy(decisions);

export function evolve(payment: Payment, fact: Fact | Event<'payments.completed' | 'payments.failed'>): Payment {
  switch (fact.type) {
    case 'charged':
      return { charged: true };
    case 'payments.completed':
    case 'payments.failed':
      return payment;
    default:
      return fact satisfies never;
  }
}

export const door = hears('payment', 'orders.created');

export class Payments extends Participant<Payment, Messages<'payment', Commands>, Fact | Event<'payments.completed'>> {}
declare const rules: Rules<Payment, Messages<'payment', Commands>, Fact | Event<'payments.completed'>>;
declare class PaymentStore implements Store<
  Payment,
  Messages<'payment', Commands>,
  Fact | Event<'payments.completed'>
> {
  load(): Promise<Map<string, Payment>>;
  save(): Promise<void>;
}
OutboxModule.forParticipant({ participant: Payments, rules, store: PaymentStore, outbound: outboundOf('payment') });

@JetStreamEvents(subscriptionsOf('payment'))
export class PaymentController {
  ordersCreated(_data: OrdersCreated, _context: JetStreamContext): void {}
  async ordersCancelled(_data: OrdersCancelled): Promise<void> {}
}

export const handlers = participantController(subscriptionsOf('payment'), Payments).prototype as EventHandlers<
  ReturnType<typeof subscriptionsOf<'payment'>>
>;
