/** Every feature flag: what it means, and what holds while NATS is away. `faults.*` are refused in production. */
export const flags = {
  'orders.intake': { type: 'boolean', default: true, description: 'Whether POST /orders accepts new orders' },
  'notifications.email': {
    type: 'boolean',
    default: true,
    description: 'Whether mails are sent; off: recorded as suppressed',
  },
  'faults.payment.decline-rate': {
    type: 'number',
    default: 0,
    description: 'Share of charges that are declined and voided at the provider, 0 to 1',
    production: 'refused',
  },
  'faults.payment.latency-ms': {
    type: 'number',
    default: 0,
    description: 'Delay before the provider is asked, in milliseconds',
    production: 'refused',
  },
} as const;

export type FlagTable = typeof flags;
