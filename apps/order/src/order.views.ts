import { Injectable } from '@nestjs/common';
import type { CancelReason, OrderItem } from '@pavane/contracts';
import type { OrderView } from './order.http.dto.js';
import { KEY_REUSED, orderProblem, orderUnknown } from './order.problems.js';
import { OrderDatabase } from './order.store.js';

const WITH_HISTORY = { include: { history: { orderBy: { version: 'asc' } } } } as const;

/** Orders as the outside sees them. */
@Injectable()
export class OrderViews {
  constructor(private readonly database: OrderDatabase) {}

  /** The order of this id, or a 404 problem. */
  async byId(id: string): Promise<OrderView> {
    const order = await this.database.order.findUnique({ where: { id }, ...WITH_HISTORY });
    if (!order) throw orderUnknown(id);
    return viewOf(order);
  }

  /** The trace the order was placed in, or a 404 problem. */
  async traceOf(id: string): Promise<string | null> {
    const order = await this.database.order.findUnique({ where: { id }, select: { traceparent: true } });
    if (!order) throw orderUnknown(id);
    return order.traceparent;
  }

  /** The order placed under this key, if any; a 422 problem if its body was another. */
  async byKey(idempotencyKey: string, fingerprint: string): Promise<OrderView | undefined> {
    const order = await this.database.order.findUnique({ where: { idempotencyKey }, ...WITH_HISTORY });
    if (order && order.fingerprint !== fingerprint)
      throw orderProblem('idempotency-key-reused', { errors: [KEY_REUSED] });
    return order ? viewOf(order) : undefined;
  }
}

type Stored = NonNullable<Awaited<ReturnType<typeof findStored>>>;
// Only its type is used: Prisma infers what a query with history returns.
const findStored = (database: OrderDatabase) => database.order.findUnique({ where: { id: '' }, ...WITH_HISTORY });

const viewOf = (order: Stored): OrderView => ({
  id: order.id,
  status: order.status as OrderView['status'],
  ...(order.reason && { reason: order.reason as CancelReason }),
  items: order.items as unknown as OrderItem[],
  total: { amount: order.amount, currency: order.currency },
  createdAt: order.createdAt,
  deadlineAt: order.deadlineAt,
  history: order.history.map(({ event, at }) => ({ event, at })),
});
