import {
  type Decisions,
  decideBy,
  type Event,
  type Messages,
  type Money,
  type OrderItem,
  type OrdersCreated,
} from '@pavane/contracts';

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
}

/** What the provider finally said of a charge. */
export type Settlement = 'captured' | 'declined' | 'voided';

type Fact =
  | { type: 'refused' | 'declined' | 'voided' | 'captured' | 'cancel-requested' | 'refund-owed' }
  | { type: 'intended'; charge: Charge };
type PaymentCommands = {
  intend: { for: 'orders.created'; data: OrdersCreated };
  settle: { for: 'orders.created'; data: Settlement };
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

  settle: ({ data: settlement }, { status, charge, cancelRequested }) => {
    if (status !== 'intended') return [];
    if (cancelRequested) {
      if (settlement === 'captured') return [{ type: 'captured' }, { type: 'refund-owed' }];
      return [{ type: settlement }];
    }
    if (settlement === 'captured') return [{ type: 'captured' }, completed(charge!)];
    if (settlement === 'declined') return [{ type: 'declined' }, failed('declined')];
    return [{ type: 'voided' }, failed('deadline_passed')];
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
    case 'refused':
    case 'voided':
    case 'captured':
      return { ...payment, status: fact.type };
    case 'declined':
      return { ...payment, status: 'failed' };
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
export const mayCharge = (
  { cancelRequested, charge }: Pick<Payment, 'cancelRequested' | 'charge'>,
  now: Date,
): boolean => !cancelRequested && charge !== undefined && now < charge.deadlineAt;

export const newPayment = (): Payment => ({ status: 'none', cancelRequested: false });
