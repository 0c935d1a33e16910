// The table lets payment say payments.completed, but not in answer to orders.cancelled.
import type { Decisions, NoCommands } from '../src/index.js';

export const decisions: Decisions<'payment', object, { type: 'noted' }, NoCommands> = {
  'orders.created': () => [],
  'orders.cancelled': () => [
    { type: 'payments.completed', data: { amount: { amount: 1, currency: 'EUR' }, items: [] } },
  ],
};
