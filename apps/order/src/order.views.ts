import { Injectable } from '@nestjs/common';
import type { CancelReason, OrderItem } from '@pavane/contracts';
import { Observable } from 'rxjs';
import type { OrderView } from './order.http.dto.js';
import { KEY_REUSED, orderProblem } from './order.problems.js';
import { isEchoed } from './order.js';
import { OrderDatabase } from './order.store.js';

const WITH_HISTORY = { include: { history: { orderBy: { version: 'asc' } } } } as const;
/** How often a followed order is looked up: each instance reads the database, so it matters not which one handled what. */
const LOOK_EVERY_MS = 300;
/** How long an ended order is followed for what others still do about it. */
const AFTERMATH_MS = 30_000;

/** Orders as the outside sees them. */
@Injectable()
export class OrderViews {
  constructor(private readonly database: OrderDatabase) {}

  /** The order of this id, or a 404 problem. */
  async byId(id: string): Promise<OrderView> {
    const order = await this.database.order.findUnique({ where: { id }, ...WITH_HISTORY });
    if (!order) throw unknown(id);
    return viewOf(order);
  }

  /** The trace the order was placed in, or a 404 problem. */
  async traceOf(id: string): Promise<string | null> {
    const order = await this.database.order.findUnique({ where: { id }, select: { traceparent: true } });
    if (!order) throw unknown(id);
    return order.traceparent;
  }

  /** The order placed under this key, if any; a 422 problem if its body was another. */
  async byKey(idempotencyKey: string, fingerprint: string): Promise<OrderView | undefined> {
    const order = await this.database.order.findUnique({ where: { idempotencyKey }, ...WITH_HISTORY });
    if (order && order.fingerprint !== fingerprint)
      throw orderProblem('idempotency-key-reused', { errors: [KEY_REUSED] });
    return order ? viewOf(order) : undefined;
  }

  /** The order's history, entry by entry; completes when the ending has been noted by everyone, or 30 s after it. */
  async follow(id: string): Promise<Observable<{ id: string; data: object }>> {
    await this.byId(id);
    return new Observable((subscriber) => {
      let seen = 0;
      let timer: NodeJS.Timeout;
      const look = async (): Promise<void> => {
        const order = await this.byId(id);
        for (const entry of order.history.slice(seen)) subscriber.next({ id: String(++seen), data: entry });
        const last = order.history.at(-1);
        const echoed = isEchoed({ ...order, noted: order.history.map(({ event }) => event) });
        const over = order.status !== 'pending' && Date.now() - last!.at.getTime() > AFTERMATH_MS;
        if (echoed || over) subscriber.complete();
        else if (!subscriber.closed)
          timer = setTimeout(() => void look().catch((error) => subscriber.error(error)), LOOK_EVERY_MS);
      };
      look().catch((error) => subscriber.error(error));
      return () => clearTimeout(timer);
    });
  }
}

const unknown = (id: string) => orderProblem('order-unknown', { detail: `There is no order ${id}.` });

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
