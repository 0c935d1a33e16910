// Notification does not hear inventory.reserved.
import type { Decisions, NoCommands } from '../src/index.js';

export const decisions: Decisions<'notification', object, { type: 'recorded' }, NoCommands> = {
  'orders.confirmed': () => [],
  'orders.cancelled': () => [],
  'inventory.reserved': () => [],
};
