import type { Order, OrderBody } from './http.js';

export type Ending = 'confirmed' | 'payment_failed' | 'out_of_stock';

/** A mixture of orders that reaches every part of the saga, faults of the provider included, and how each must end. */
export function mixed(n: number): { order: Partial<OrderBody>; ending: Ending } {
  const paidBy = (paymentMethod: string, ending: Ending = 'confirmed') => ({ order: { paymentMethod }, ending });
  switch (n % 10) {
    case 0:
      return paidBy('card_declined', 'payment_failed');
    case 1:
      return {
        order: {
          items: [
            { sku: 'TEAPOT', quantity: 1 },
            { sku: 'GHOST', quantity: 1 },
          ],
        },
        ending: 'out_of_stock',
      };
    case 2:
      return paidBy('card_flaky');
    case 3:
      return paidBy('card_lost_reply');
    case 4:
      return {
        order: {
          items: [
            { sku: 'LANTERN', quantity: 3 },
            { sku: 'CUP', quantity: 2 },
            { sku: 'TEAPOT', quantity: 1 },
          ],
        },
        ending: 'confirmed',
      };
    default:
      return paidBy('card_ok');
  }
}

export interface Placed {
  order: Order;
  ending: Ending;
}

export interface LoadOptions {
  count: number;
  /** Orders under way at a time. */
  width?: number;
  /** Called once, when this many have been accepted: the moment for a disaster. */
  after?: { accepted: number; do: () => unknown };
}

/** Places `count` mixed orders and resolves when all are accepted and the disaster, if any, has been seen to. */
export async function load(
  place: (order: Partial<OrderBody>) => Promise<Order>,
  { count, width = 10, after }: LoadOptions,
): Promise<Placed[]> {
  const placed: Placed[] = [];
  let next = 0;
  let disaster: Promise<unknown> | undefined;
  const work = async () => {
    while (next < count) {
      const { order, ending } = mixed(next++);
      placed.push({ order: await place(order), ending });
      if (after && !disaster && placed.length >= after.accepted)
        disaster = (async () => after.do())().then(
          () => undefined,
          (error: unknown) => error,
        );
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, work));
  const failure = await disaster;
  if (failure !== undefined) throw failure;
  return placed;
}

/** How many orders must end in each way. */
export function endingsOf(placed: readonly Placed[]): Record<Ending, number> {
  const counts = { confirmed: 0, payment_failed: 0, out_of_stock: 0 };
  for (const { ending } of placed) counts[ending]++;
  return counts;
}
