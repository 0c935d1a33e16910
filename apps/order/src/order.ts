import {
  type CancelReason,
  expectedAfter,
  type Decisions,
  decideBy,
  type Event,
  type Messages,
  type Money,
  type OrderItem,
  type Unanswered,
} from '@pavane/contracts';
import { Unprocessable } from '@pavane/jetstream';

/** What a customer asked for, priced by the catalogue. */
export interface PlacedOrder {
  customerId: string;
  email: string;
  items: OrderItem[];
  total: Money;
  paymentMethod: string;
  deadlineAt: Date;
  idempotencyKey: string;
  /** Digest of the request, to tell the same key with another body. */
  fingerprint: string;
}

/** An order; `placed` is absent until it exists. Only this service decides how it ends, once. */
export interface Order {
  id: string;
  /** Counts the entries of its history. */
  version: number;
  status: 'pending' | 'confirmed' | 'cancelled';
  reason?: CancelReason;
  placed?: PlacedOrder;
  /** The events of others that have been noted. */
  noted: readonly string[];
  /** The entries of its history since it was loaded, the last of them at `version`. */
  entries: readonly string[];
}

type Fact = { type: 'placed'; order: PlacedOrder } | { type: 'noted'; event: string };
type OrderCommands = {
  place: { for: 'POST /orders'; data: PlacedOrder };
  cancel: { for: 'POST /orders/:id/cancel'; data: object };
  /** The sweeper's: nobody was seen to act on the ending, so it is said again. */
  resay: { for: 'inventory.reserved' | 'POST /orders/:id/cancel'; data: object };
};
export type OrderMessage = Messages<'order', OrderCommands>;
export type OrderFact = Fact | Event<'orders.created' | 'orders.confirmed' | 'orders.cancelled' | 'timers.deadline'>;

const decisions: Decisions<'order', Order, Fact, OrderCommands, Unanswered<'order'>> = {
  place: ({ data }, order) => (order.placed ? [] : [{ type: 'placed', order: data }, creation(data), timer(data)]),
  cancel: (_, order) => cancelled(order, 'customer_request'),
  'timers.deadline': (_, order) => cancelled(order, 'deadline_passed'),
  'payments.failed': ({ type, data }, order) => [
    ...note(order, type),
    ...cancelled(order, data.reason === 'deadline_passed' ? data.reason : 'payment_failed'),
  ],
  'inventory.rejected': ({ type }, order) => [...note(order, type), ...cancelled(order, 'out_of_stock')],
  'inventory.reserved': ({ type }, order) => [
    ...note(order, type),
    ...(order.status === 'pending' ? [confirmation(order)] : []),
  ],
  resay: (_, order) =>
    order.status === 'confirmed' ? [confirmation(order)] : order.reason ? [cancellation(order, order.reason)] : [],
};
/** What follows from a message for an order; what others did and needs no answer is noted. */
export const decide = decideBy(decisions, ({ type }, order) => note(order, type));

const creation = ({ idempotencyKey: _key, fingerprint: _fingerprint, deadlineAt, ...order }: PlacedOrder) => ({
  type: 'orders.created' as const,
  data: { ...order, deadlineAt: deadlineAt.toISOString() },
});
const timer = ({ deadlineAt }: PlacedOrder) => ({
  type: 'timers.deadline' as const,
  data: { deadlineAt: deadlineAt.toISOString() },
});

function confirmation(order: Order) {
  const { email, total, items } = known(order);
  return { type: 'orders.confirmed' as const, data: { email, total, items } };
}
function cancellation(order: Order, reason: CancelReason) {
  const { email, total } = known(order);
  return { type: 'orders.cancelled' as const, data: { reason, email, total } };
}
/** The first to come while the order is pending ends it; everyone after finds it ended. */
const cancelled = (order: Order, reason: CancelReason) =>
  known(order) && order.status === 'pending' ? [cancellation(order, reason)] : [];
const note = (order: Order, event: string): Fact[] =>
  known(order) && !order.noted.includes(event) ? [{ type: 'noted', event }] : [];

function known(order: Order): PlacedOrder {
  if (order.placed) return order.placed;
  throw new Unprocessable(`order ${order.id} was never placed here; find out who speaks of it`);
}

/** The order after a fact. Throws on a transition that is not legal: pending to confirmed or cancelled, and no other. */
export function evolve(order: Order, fact: OrderFact): Order {
  switch (fact.type) {
    case 'placed':
      return { ...order, placed: fact.order };
    case 'timers.deadline':
      return order;
    case 'noted':
      return entered({ ...order, noted: [...order.noted, fact.event] }, fact.event);
    case 'orders.created':
      return entered(order, fact.type);
    case 'orders.confirmed':
      return ended(order, fact.type, 'confirmed');
    case 'orders.cancelled':
      return ended(order, fact.type, 'cancelled', fact.data.reason);
    default:
      return fact satisfies never;
  }
}

const entered = (order: Order, entry: string): Order => ({
  ...order,
  version: order.version + 1,
  entries: [...order.entries, entry],
});

function ended(order: Order, entry: string, status: 'confirmed' | 'cancelled', reason?: CancelReason): Order {
  if (order.status === status && order.reason === reason) return order;
  if (order.status !== 'pending') throw new Error(`order ${order.id} is ${order.status} and cannot become ${status}`);
  return entered({ ...order, status, ...(reason && { reason }) }, entry);
}

/** Whether everybody who has to act on the order's ending was seen to. */
export const isEchoed = ({ status, noted }: Pick<Order, 'status' | 'noted'>): boolean =>
  status !== 'pending' && expectedAfter(`orders.${status}`, noted).length === 0;

export const newOrder = (id: string): Order => ({ id, version: 0, status: 'pending', noted: [], entries: [] });
