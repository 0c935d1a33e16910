import {
  decide,
  evolve,
  isEchoed,
  newOrder,
  type Order,
  type OrderFact,
  type OrderMessage,
  type PlacedOrder,
} from '@pavane/order/rules';
import type { Said } from './broker.js';
import { unmodelledAnswers } from './modelled.js';
import { type Delivery, ModelParticipant, type Table } from './participant.js';
import { ModelService, type Surroundings } from './service.js';
import type { Process, Work } from './work.js';

const TIMER_GRACE_MS = 2000;
const ECHO_WITHIN_MS = 60_000;
const MOST_RESAID = 8;

interface Row {
  order: Order;
  history: string[];
  echoDueAt: number | undefined;
  resaid: number;
}

/** The order service: its event door, its HTTP door and its sweeper. */
export class OrderService extends ModelService<Order, OrderMessage, OrderFact> implements Table<Order, OrderFact> {
  readonly participant;
  readonly rows = new Map<string, Row>();

  constructor(
    around: Surroundings,
    instances: number,
    private readonly hasSweeper: boolean,
  ) {
    super(around, instances);
    this.participant = new ModelParticipant('order', { decide, evolve }, this, around);
  }

  load(id: string): Order {
    const row = this.rows.get(id);
    return row ? { ...row.order, entries: [] } : newOrder(id);
  }

  save(id: string, order: Order): void {
    const before = this.rows.get(id);
    if (!before && this.byKey(order.placed!.idempotencyKey)) throw new Error('the idempotency key is taken');
    const seen = { ...order, noted: [...order.noted, ...unmodelledAnswers] };
    const due = order.status === 'pending' || isEchoed(seen) ? undefined : this.around.clock.ms + ECHO_WITHIN_MS;
    const history = [...(before?.history ?? []), ...order.entries];
    const echoDueAt = due && Math.max(due, before?.echoDueAt ?? 0);
    this.rows.set(id, { order, history, echoDueAt, resaid: before?.resaid ?? 0 });
    const ended = before && before.order.status !== 'pending';
    if (ended && (before.order.status !== order.status || before.order.reason !== order.reason))
      this.around.violated(`${id} was ${before.order.status} and became ${order.status}`);
  }

  byKey(key: string): Order | undefined {
    for (const { order } of this.rows.values()) if (order.placed?.idempotencyKey === key) return order;
    return undefined;
  }

  stateOf(orderId: string): string {
    return this.load(orderId).placed ? this.load(orderId).status : 'unknown';
  }

  protected *hear(process: Process, { type, orderId, data }: Said, delivery: Delivery): Work {
    yield* this.handle(process, { type, orderId, data: JSON.parse(data) } as OrderMessage, delivery);
  }

  /** `POST /orders`: returns the order's id. */
  *place(process: Process, orderId: string, placed: PlacedOrder): Work<string> {
    const known = this.byKey(placed.idempotencyKey);
    if (known) return known.id;
    try {
      yield* this.handle(process, { type: 'place', orderId, data: placed });
    } catch (error) {
      const other = this.byKey(placed.idempotencyKey);
      if (other) return other.id;
      throw error;
    }
    return orderId;
  }

  /** `POST /orders/:id/cancel`: returns whether the customer cancelled it. */
  *cancel(process: Process, orderId: string): Work<boolean> {
    const order = yield* this.handle(process, { type: 'cancel', orderId, data: {} });
    return order.reason === 'customer_request';
  }

  override round(process: Process): boolean {
    return super.round(process) || (this.hasSweeper && this.#sweep(process));
  }

  /** One order the sweeper has to look after. */
  #sweep(process: Process): boolean {
    if (process.jobs.some(({ name }) => name === 'sweeper')) return false;
    const { clock, violated } = this.around;
    for (const [id, row] of this.rows) {
      const { status, placed } = row.order;
      if (status === 'pending' && clock.reached(placed!.deadlineAt.getTime() + TIMER_GRACE_MS)) {
        const data = { deadlineAt: placed!.deadlineAt.toISOString() };
        return this.#say(process, { type: 'timers.deadline', orderId: id, data });
      }
      if (!clock.reached(row.echoDueAt)) continue;
      if (row.resaid >= MOST_RESAID) {
        violated(`the ending of ${id} was said ${row.resaid} times and nobody was seen to act on it`);
        row.echoDueAt = undefined;
        return true;
      }
      // Also what is only on its way still, which the service puts off for an hour: it must do no harm.
      row.resaid++;
      row.echoDueAt = clock.ms + ECHO_WITHIN_MS * 2 ** row.resaid;
      return this.#say(process, { type: 'resay', orderId: id, data: {} });
    }
    return false;
  }

  #say(process: Process, message: OrderMessage): true {
    process.start({ name: 'sweeper', orderId: message.orderId, work: this.#sweeping(process, message) });
    return true;
  }

  *#sweeping(process: Process, message: OrderMessage): Work {
    try {
      yield* this.handle(process, message);
    } catch {
      // Tried again in another round.
    }
  }

  override *moments() {
    yield* super.moments();
    if (!this.hasSweeper) return;
    for (const { order, echoDueAt } of this.rows.values()) {
      if (order.status === 'pending') yield order.placed!.deadlineAt.getTime() + TIMER_GRACE_MS;
      yield echoDueAt;
    }
  }
}
