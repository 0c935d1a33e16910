import type { CancelReason } from '@pavane/contracts';

/** A demo order and how it must end. */
export interface Scenario {
  title: string;
  items: { sku: string; quantity: number }[];
  paymentMethod: string;
  expected: 'confirmed' | CancelReason;
  /** Whether the customer cancels as soon as it is accepted. */
  cancels?: boolean;
}

/** Every way an order can end. */
export const SCENARIOS: readonly Scenario[] = [
  {
    title: 'a teapot and two cups, paid by a good card',
    items: [
      { sku: 'TEAPOT', quantity: 1 },
      { sku: 'CUP', quantity: 2 },
    ],
    paymentMethod: 'card_ok',
    expected: 'confirmed',
  },
  {
    title: 'a lantern, paid by a card that is declined',
    items: [{ sku: 'LANTERN', quantity: 1 }],
    paymentMethod: 'card_declined',
    expected: 'payment_failed',
  },
  {
    title: 'something that is never in stock: paid, then refunded',
    items: [
      { sku: 'CUP', quantity: 1 },
      { sku: 'GHOST', quantity: 1 },
    ],
    paymentMethod: 'card_ok',
    expected: 'out_of_stock',
  },
  {
    title: 'a lantern the customer thinks better of',
    items: [{ sku: 'LANTERN', quantity: 1 }],
    paymentMethod: 'card_slow',
    cancels: true,
    expected: 'customer_request',
  },
  {
    title: 'a teapot, paid by a card that answers after the deadline',
    items: [{ sku: 'TEAPOT', quantity: 1 }],
    paymentMethod: 'card_slow',
    expected: 'deadline_passed',
  },
];
