import type { PlacedOrder } from '@pavane/order/rules';
import type { Clock } from './clock.js';
import { REFUSED } from './notification-service.js';
import type { OrderService } from './order-service.js';
import type { Wish } from './scenario.js';
import type { Process, Work } from './work.js';

const DEADLINE_MS = 30_000;
const PRICE = 1000;

/** A customer who places one order, asks again under the same key until there is an answer, and may cancel. */
export class Customer {
  /** Known once the order was accepted. */
  orderId: string | undefined;
  /** What came of asking for a cancellation. */
  cancelled: boolean | undefined;
  #isAsking = false;
  #tries = 0;

  constructor(
    private readonly name: string,
    private readonly wish: Wish,
    private readonly clock: Clock,
    private readonly orders: OrderService,
  ) {}

  get wantsToOrder(): boolean {
    return !this.#isAsking && this.orderId === undefined;
  }

  get wantsToCancel(): boolean {
    return !this.#isAsking && this.wish.cancels && this.orderId !== undefined && this.cancelled === undefined;
  }

  order(process: Process): void {
    const { items, card, mailbox } = this.wish;
    const placed: PlacedOrder = {
      customerId: this.name,
      email: mailbox === 'ok' ? `${this.name}@example.com` : REFUSED,
      items,
      total: { amount: PRICE * items.reduce((sum, { quantity }) => sum + quantity, 0), currency: 'EUR' },
      paymentMethod: card,
      deadlineAt: new Date(this.clock.ms + DEADLINE_MS),
      idempotencyKey: this.name,
      fingerprint: this.name,
    };
    const id = `${this.name}${'abcdefghijklmnopqrstuvwxyz'[this.#tries++] ?? this.#tries}`;
    this.#ask(process, 'POST /orders', id, this.orders.place(process, id, placed), (orderId) => {
      this.orderId = orderId;
    });
  }

  cancel(process: Process): void {
    const id = this.orderId!;
    this.#ask(process, 'POST /orders/:id/cancel', id, this.orders.cancel(process, id), (isCancelled) => {
      this.cancelled = isCancelled;
    });
  }

  #ask<T>(process: Process, name: string, orderId: string, answering: Work<T>, answered: (answer: T) => void): void {
    this.#isAsking = true;
    const stop = () => {
      this.#isAsking = false;
    };
    const work = function* (): Work {
      try {
        const answer = yield* answering;
        yield 'replying';
        answered(answer);
      } catch {
        // A 503: nobody knows whether it was done, and asking again settles it.
      }
      stop();
    };
    process.start({ name, orderId, work: work(), lost: stop });
  }
}
