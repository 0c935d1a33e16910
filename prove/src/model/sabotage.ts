/** Ways to break the platform that the model has to see: none of them is in the product. */
export const SABOTAGES = {
  'skip-inbox': 'an event is handled as often as it comes',
  'inbox-with-intent': 'the inbox row of orders.created is written with the intent instead of the outcome',
  'ack-before-commit': 'a message is acknowledged before it is handled',
  'publish-before-commit': 'events are published before the transaction that decides them',
  'publish-from-memory-only': 'events are published after the commit, and no outbox remembers them',
  'no-tombstone-at-payment': 'payment forgets a cancellation that comes before the order',
  'no-tombstone-at-inventory': 'inventory forgets a cancellation that comes before the payment',
  'no-stock-check': 'inventory reserves whatever is asked for',
  'no-idempotency-key': 'every try of a charge has a key of its own',
  'no-refund-key': 'every try of a refund has a key of its own',
  'unknown-is-failed': 'a charge without an answer counts as declined',
  'charge-after-deadline': 'the deadline is not looked at before a charge',
  'no-reconciler': 'nobody owns stale intents and owed refunds',
  'refund-tried-once': 'a refund the provider did not give is not tried again',
  'new-message-id': 'every try of a mail has a Message-ID of its own',
  'outage-is-an-attempt': 'a dependency that is away counts as a failed attempt',
} as const;
export type Sabotage = keyof typeof SABOTAGES;
