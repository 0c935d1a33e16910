import type { EventType } from './events/index.js';

/**
 * The saga: per service, what it hears and what it may say to that. An input is an event, or an HTTP request.
 * Everything else derives from this table: durables and subjects (`topology.ts`), the types every service's rules must
 * satisfy, NATS permissions, and the diagram in the README.
 */
export const saga = {
  order: {
    'POST /orders': ['orders.created', 'timers.deadline'],
    'POST /orders/:id/cancel': ['orders.cancelled'],
    'timers.deadline': ['orders.cancelled'],
    'payments.completed': [],
    'payments.failed': ['orders.cancelled'],
    'inventory.reserved': ['orders.confirmed'],
    'inventory.rejected': ['orders.cancelled'],
    'payments.refunded': [],
    'inventory.released': [],
    'notifications.sent': [],
    'notifications.failed': [],
  },
  payment: {
    'orders.created': ['payments.completed', 'payments.failed'],
    'orders.cancelled': ['payments.refunded'],
  },
  inventory: {
    'payments.completed': ['inventory.reserved', 'inventory.rejected'],
    'orders.confirmed': [],
    'orders.cancelled': ['inventory.released'],
  },
  notification: {
    'orders.confirmed': ['notifications.sent', 'notifications.failed'],
    'orders.cancelled': ['notifications.sent', 'notifications.failed'],
  },
} as const satisfies Record<string, Record<string, readonly EventType[]>>;
