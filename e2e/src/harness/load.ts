import { setTimeout as pause } from 'node:timers/promises';
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

/** Customers who come at a steady rate, whether or not those before them have been served. */
export class OpenLoop implements AsyncDisposable {
  readonly placed: Placed[] = [];
  /** What those that were not accepted were told, or what became of their connection. */
  readonly failures: string[] = [];
  /** Of each request, how long its answer took, in milliseconds. */
  readonly latencies: number[] = [];
  readonly #started = performance.now();
  readonly #underWay = new Set<Promise<void>>();
  readonly #coming: Promise<void>;
  #sent = 0;
  #stopped = false;
  /** How long they have been coming, in seconds. */
  seconds = 0;

  constructor(
    private readonly place: (order: Partial<OrderBody>) => Promise<Order>,
    private readonly perSecond: number,
  ) {
    this.#coming = this.#come();
  }

  get sent(): number {
    return this.#sent;
  }

  /** Lets no more come; resolves when every one has been answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#coming;
    await Promise.all(this.#underWay);
  }

  async #come(): Promise<void> {
    while (!this.#stopped) {
      this.seconds = (performance.now() - this.#started) / 1000;
      // Who is due comes at once: a clock that was late makes nobody stay away.
      while (this.#sent < this.seconds * this.perSecond) this.#send();
      await pause(1000 / this.perSecond / 2);
    }
  }

  #send(): void {
    const { order, ending } = mixed(this.#sent++);
    const began = performance.now();
    const request = this.place(order)
      .then(
        (placed) => void this.placed.push({ order: placed, ending }),
        (error: Error) => void this.failures.push(error.message),
      )
      .finally(() => {
        this.latencies.push(performance.now() - began);
        this.#underWay.delete(request);
      });
    this.#underWay.add(request);
  }
}
