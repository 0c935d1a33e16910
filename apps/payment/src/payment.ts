import {
  type Decisions,
  decideBy,
  type Event,
  type Messages,
  type Money,
  type OrderItem,
  type OrdersCreated,
} from '@pavane/contracts';
import type { Answer } from './payment.provider.js';

/** What is to be charged, as `orders.created` asks for it. */
export interface Charge {
  amount: Money;
  method: string;
  items: OrderItem[];
  /** No charge starts after this moment. */
  deadlineAt: Date;
}

/** The payment of one order; `charge` is absent until there was something to charge. */
export interface Payment {
  /**
   * `none`: nothing heard yet. `refused`: cancelled before it was created (a tombstone). `intended`: the provider may have
   * been asked, its answer is not recorded. `refund_pending`: money is owed to the customer.
   */
  status: 'none' | 'refused' | 'intended' | 'captured' | 'failed' | 'voided' | 'refund_pending' | 'refunded';
  charge?: Charge;
  /** The order was cancelled while the provider's answer was out. */
  cancelRequested: boolean;
  /** The provider's own name for the charge. */
  reference?: string;
  /** Where the customer completes an intended payment that waits for it. */
  customerUrl?: string;
}

type Fact = { type: 'refused' | 'cancel-requested' | 'refund-owed' } | { type: 'intended'; charge: Charge } | Answer;
type PaymentCommands = {
  intend: { for: 'orders.created'; data: OrdersCreated };
  settle: { for: 'orders.created'; data: Answer };
  refunded: { for: 'orders.cancelled'; data: object };
};
export type PaymentMessage = Messages<'payment', PaymentCommands>;
export type PaymentFact = Fact | Event<'payments.completed' | 'payments.failed' | 'payments.refunded'>;

const decisions: Decisions<'payment', Payment, Fact, PaymentCommands> = {
  intend: ({ data }, payment, now) =>
    payment.status === 'none' && now < new Date(data.deadlineAt) ? [intention(data)] : [],

  // The charge is settled, or will not be tried; what is known is said (again, when this is the saga asking a second time).
  'orders.created': ({ data }, { status, charge, cancelRequested }) => {
    if (status === 'none') return [intention(data), { type: 'voided' }, failed('deadline_passed')];
    if (status === 'captured') return [completed(charge!)];
    if (status === 'voided' && !cancelRequested) return [failed('deadline_passed')];
    return status === 'failed' ? [failed('declined')] : [];
  },

  settle: ({ data: answer }, { status, charge, cancelRequested, customerUrl }) => {
    if (status !== 'intended') return [];
    if (answer.type === 'waiting') return answer.customerUrl === customerUrl ? [] : [answer];
    if (answer.type === 'captured') return [answer, cancelRequested ? { type: 'refund-owed' } : completed(charge!)];
    if (cancelRequested) return [answer];
    return [answer, failed(answer.type === 'declined' ? 'declined' : 'deadline_passed')];
  },

  'orders.cancelled': (_, { status, charge, cancelRequested }) => {
    if (status === 'none') return [{ type: 'refused' }];
    if (status === 'intended' && !cancelRequested) return [{ type: 'cancel-requested' }];
    if (status === 'captured') return [{ type: 'refund-owed' }];
    return status === 'refunded' ? [refunded(charge!)] : [];
  },

  refunded: (_, { status, charge }) => (status === 'refund_pending' ? [refunded(charge!)] : []),
};
/** What follows from a message for a payment. */
export const decide = decideBy(decisions);

const intention = ({ total, paymentMethod, items, deadlineAt }: OrdersCreated) => ({
  type: 'intended' as const,
  charge: { amount: total, method: paymentMethod, items, deadlineAt: new Date(deadlineAt) },
});
const completed = ({ amount, items }: Charge) => ({ type: 'payments.completed' as const, data: { amount, items } });
const failed = (reason: 'declined' | 'deadline_passed') => ({ type: 'payments.failed' as const, data: { reason } });
const refunded = ({ amount }: Charge) => ({ type: 'payments.refunded' as const, data: { amount } });

/** The payment after a fact. */
export function evolve(payment: Payment, fact: PaymentFact): Payment {
  switch (fact.type) {
    case 'intended':
      return { ...payment, status: 'intended', charge: fact.charge };
    case 'waiting':
      return { ...payment, reference: fact.reference ?? payment.reference, customerUrl: fact.customerUrl };
    case 'refused':
      return { ...payment, status: 'refused' };
    case 'captured':
    case 'voided':
      return { ...payment, reference: fact.reference ?? payment.reference, status: fact.type };
    case 'declined':
      return { ...payment, reference: fact.reference ?? payment.reference, status: 'failed' };
    case 'cancel-requested':
      return { ...payment, cancelRequested: true };
    case 'refund-owed':
      return { ...payment, status: 'refund_pending' };
    case 'payments.refunded':
      return { ...payment, status: 'refunded' };
    case 'payments.failed':
    case 'payments.completed':
      return payment;
    default:
      return fact satisfies never;
  }
}

/** Whether money may still be asked for: neither cancelled nor past the deadline. What was asked before is voided then. */
export const mayCharge = ({ cancelRequested, charge }: Pick<Payment, 'cancelRequested' | 'charge'>, now: Date) =>
  !cancelRequested && charge !== undefined && now < charge.deadlineAt;

export const newPayment = (): Payment => ({ status: 'none', cancelRequested: false });
