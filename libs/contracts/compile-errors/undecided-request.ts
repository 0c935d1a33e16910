// No command speaks for the row "POST /orders/:id/cancel".
import type { Decisions, Unanswered } from '../src/index.js';

type Commands = { place: { for: 'POST /orders'; data: object } };
export const decisions: Decisions<'order', object, { type: 'noted' }, Commands, Unanswered<'order'>> = {
  place: () => [],
  'timers.deadline': () => [],
  'payments.failed': () => [],
  'inventory.reserved': () => [],
  'inventory.rejected': () => [],
};
