// The row "orders.cancelled, heard by inventory" has no decision.
import type { Decisions, NoCommands } from '../src/index.js';

export const decisions: Decisions<'inventory', object, { type: 'kept' }, NoCommands> = {
  'payments.completed': () => [],
  'orders.confirmed': () => [],
};
