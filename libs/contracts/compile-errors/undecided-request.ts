// No command speaks for the row "POST /orders/:id/cancel".
import type { Decisions } from '../src/index.js';

type Commands = { place: { for: 'POST /orders'; data: object } };
export const decisions: Decisions<'order', object, { type: 'noted' }, Commands> = {
  place: () => [],
  'timers.deadline': () => [],
  'payments.completed': () => [],
  'payments.failed': () => [],
  'inventory.reserved': () => [],
  'inventory.rejected': () => [],
  'payments.refunded': () => [],
  'inventory.released': () => [],
  'notifications.sent': () => [],
  'notifications.failed': () => [],
};
