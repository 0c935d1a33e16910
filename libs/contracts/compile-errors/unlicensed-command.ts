// A command says only what the row it speaks for may say.
import type { Decisions } from '../src/index.js';

type Commands = { settle: { for: 'orders.created'; data: object } };
export const decisions: Decisions<'payment', object, { type: 'noted' }, Commands> = {
  'orders.created': () => [],
  'orders.cancelled': () => [],
  settle: () => [{ type: 'payments.refunded', data: { amount: { amount: 1, currency: 'EUR' } } }],
};
