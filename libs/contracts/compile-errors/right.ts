// Compiles: every row has a decision, and each says only what the table licenses.
import { type Decisions, decideBy, type Event, hears } from '../src/index.js';

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
