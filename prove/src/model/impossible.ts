import type { Kind } from './coverage.js';

interface Rule {
  durables: RegExp;
  states: RegExp;
  /** Absent: all of them. */
  kinds?: readonly Kind[];
  because: string;
}

/** Ways of reaching a handler that the rules of the saga exclude, and why. Being reached all the same breaks a promise. */
const RULES: Rule[] = [
  {
    durables: /^order_/,
    states: /^unknown$/,
    because: 'an order is stored in the transaction that says the first thing of it',
  },
  {
    durables: /^order_/,
    states: /^pending$/,
    kinds: ['after the ending'],
    because: 'a pending order has not ended',
  },
  {
    durables: /^order_(timers-deadline|payments-failed|inventory-reserved|inventory-rejected)$/,
    states: /^pending$/,
    kinds: ['duplicate'],
    because: 'handling it once ended the order',
  },
  {
    durables: /^order_payments-failed$/,
    states: /^pending$/,
    kinds: ['reordered'],
    because: 'what is said to order after a failed payment was said of an order that had ended',
  },
  {
    durables: /^order_(payments-failed|inventory-rejected|payments-refunded|inventory-released)$/,
    states: /^confirmed$/,
    because: 'a confirmed order was paid and reserved, and nobody undoes that',
  },
  {
    durables: /^order_(payments-refunded|inventory-released|notifications-sent|notifications-failed)$/,
    states: /^pending$/,
    because: 'it answers an ending',
  },
  {
    durables: /^payment_orders-created$/,
    states: /^(none|intended.*)$/,
    kinds: ['duplicate'],
    because: 'the inbox row is written with the outcome',
  },
  {
    durables: /^payment_orders-created$/,
    states: /^(none|intended|captured)$/,
    kinds: ['reordered'],
    because: 'only a cancellation can overtake it, and that leaves its mark',
  },
  {
    durables: /^payment_orders-cancelled$/,
    states: /^(none|intended|captured)$/,
    kinds: ['duplicate', 'reordered'],
    because: 'a cancellation handled before left its mark',
  },
  {
    durables: /^inventory_payments-completed$/,
    states: /^none$/,
    kinds: ['duplicate', 'reordered'],
    because: 'whatever was handled before left a reservation or a tombstone',
  },
  {
    durables: /^inventory_orders-confirmed$/,
    states: /^(none|refused|rejected|released)$/,
    because: 'an order is confirmed because it is reserved, and then nobody cancels it',
  },
  {
    durables: /^inventory_orders-(confirmed|cancelled)$/,
    states: /^reserved$/,
    kinds: ['duplicate'],
    because: 'handling it once sold or released what was reserved',
  },
  {
    durables: /^inventory_orders-cancelled$/,
    states: /^none$/,
    kinds: ['duplicate', 'reordered'],
    because: 'whatever was handled before left a reservation or a tombstone',
  },
  {
    durables: /^inventory_orders-cancelled$/,
    states: /^sold$/,
    because: 'a confirmed order is never cancelled',
  },
  {
    durables: /^notification_/,
    states: /^none$/,
    kinds: ['duplicate', 'reordered'],
    because: 'the inbox row is written with the record',
  },
];

const found = new Map<string, string | undefined>();

/** Why a handler cannot be reached in this way; `undefined` when it can. */
export function whyImpossible(durable: string, state: string, kind: Kind): string | undefined {
  const key = `${durable} ${state} ${kind}`;
  if (!found.has(key)) found.set(key, RULES.find((rule) => speaksOf(rule, durable, state, kind))?.because);
  return found.get(key);
}

const speaksOf = ({ durables, states, kinds }: Rule, durable: string, state: string, kind: Kind): boolean =>
  durables.test(durable) && states.test(state) && (!kinds || kinds.includes(kind));
