import {
  type Decisions,
  decideBy,
  type Event,
  type Messages,
  type NoCommands,
  type OrderItem,
} from '@pavane/contracts';

/** What became of the lines of one order; `refused` is a tombstone: cancelled before anything was to be reserved. */
export interface Reservation {
  status: 'refused' | 'reserved' | 'rejected' | 'released' | 'sold';
  items: OrderItem[];
}

/** The pieces of one SKU; their sum never changes. */
export interface Stock {
  available: number;
  reserved: number;
  sold: number;
}

/** The shelves and reservations that the messages at hand touch: all lines of an order move together or not at all. */
export interface Warehouse {
  reservations: ReadonlyMap<string, Reservation>;
  stock: ReadonlyMap<string, Stock>;
}

type Fact = { type: 'refused' | 'sold' };
export type InventoryMessage = Messages<'inventory', NoCommands>;
export type InventoryFact = Fact | Event<'inventory.reserved' | 'inventory.rejected' | 'inventory.released'>;

const decisions: Decisions<'inventory', Warehouse, Fact, NoCommands> = {
  'payments.completed': ({ orderId, data }, warehouse) => {
    const known = warehouse.reservations.get(orderId);
    if (known && known.status !== 'reserved' && known.status !== 'rejected') return [];
    // Heard again under another id: the saga asks a second time, and what was decided is said again.
    if (known?.status === 'reserved') return [reserved(known.items)];
    const shortages = known?.status === 'rejected' ? shortagesOf(known.items) : shortagesOf(data.items, warehouse);
    return shortages.length > 0 ? [{ type: 'inventory.rejected', data: { shortages } }] : [reserved(data.items)];
  },

  'orders.confirmed': ({ orderId }, { reservations }) => {
    const known = reservations.get(orderId);
    if (known?.status === 'sold') return [];
    if (known?.status === 'reserved') return [{ type: 'sold' }];
    throw new Error(`order ${orderId} was confirmed, but its stock is ${known?.status ?? 'not reserved'}`);
  },

  'orders.cancelled': ({ orderId }, { reservations }) => {
    const known = reservations.get(orderId);
    if (!known) return [{ type: 'refused' }];
    if (known.status === 'reserved' || known.status === 'released')
      return [{ type: 'inventory.released', data: { items: known.items } }];
    return [];
  },
};
/** What follows from a message for the warehouse. */
export const decide = decideBy(decisions);

const reserved = (items: OrderItem[]) => ({ type: 'inventory.reserved' as const, data: { items } });

/** The lines that cannot be set aside; without a warehouse, all of them. Lines of the same SKU count together. */
function shortagesOf(items: readonly OrderItem[], warehouse?: Warehouse) {
  const wanted = Map.groupBy(items, ({ sku }) => sku);
  return [...wanted].flatMap(([sku, lines]) => {
    const requested = lines.reduce((sum, { quantity }) => sum + quantity, 0);
    const available = warehouse?.stock.get(sku)?.available ?? 0;
    return requested > available ? [{ sku, requested, available }] : [];
  });
}

/** The warehouse after a fact about an order. */
export function evolve(warehouse: Warehouse, fact: InventoryFact, orderId: string): Warehouse {
  const known = warehouse.reservations.get(orderId);
  const becomes = (
    status: Reservation['status'],
    items: OrderItem[],
    move?: (s: Stock, n: number) => Stock,
  ): Warehouse => ({
    reservations: new Map(warehouse.reservations).set(orderId, { status, items }),
    stock: move && known?.status !== status ? moved(warehouse.stock, items, move) : warehouse.stock,
  });
  switch (fact.type) {
    case 'refused':
      return becomes('refused', []);
    case 'inventory.rejected':
      return becomes(
        'rejected',
        known?.items ?? fact.data.shortages.map(({ sku, requested }) => ({ sku, quantity: requested })),
      );
    case 'inventory.reserved':
      return becomes('reserved', fact.data.items, (s, n) => ({
        ...s,
        available: s.available - n,
        reserved: s.reserved + n,
      }));
    case 'inventory.released':
      return becomes('released', fact.data.items, (s, n) => ({
        ...s,
        available: s.available + n,
        reserved: s.reserved - n,
      }));
    case 'sold':
      return becomes('sold', known!.items, (s, n) => ({ ...s, reserved: s.reserved - n, sold: s.sold + n }));
    default:
      return fact satisfies never;
  }
}

function moved(
  stock: ReadonlyMap<string, Stock>,
  items: readonly OrderItem[],
  move: (s: Stock, n: number) => Stock,
): ReadonlyMap<string, Stock> {
  const after = new Map(stock);
  for (const { sku, quantity } of items) after.set(sku, move(after.get(sku)!, quantity));
  return after;
}

export const emptyWarehouse = (): Warehouse => ({ reservations: new Map(), stock: new Map() });
