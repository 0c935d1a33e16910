// An event carries what its class says.
import type { Decisions, NoCommands } from '../src/index.js';

export const decisions: Decisions<'payment', object, { type: 'noted' }, NoCommands> = {
  'orders.created': () => [{ type: 'payments.failed', data: { reason: 'no idea' } }],
  'orders.cancelled': () => [],
};
