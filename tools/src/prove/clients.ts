import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { cancel, place } from '../demo/client.js';

const ITEM = [{ sku: 'CUP', quantity: 1 }];
/** Orders that, together, reach every part of the saga. */
const MIX = [
  { items: ITEM, paymentMethod: 'card_ok' },
  { items: ITEM, paymentMethod: 'card_declined' },
  { items: [...ITEM, { sku: 'GHOST', quantity: 1 }], paymentMethod: 'card_ok' },
  { items: ITEM, paymentMethod: 'card_slow' },
  { items: ITEM, paymentMethod: 'card_slow', cancels: true },
  { items: ITEM, paymentMethod: 'card_lost_reply' },
  { items: [{ sku: 'GHOST', quantity: 1 }], paymentMethod: 'card_refund_flaky' },
] as const;

/** How long a client keeps asking about one order before it gives up. */
const PATIENCE_MS = 60_000;

/**
 * Customers who know what they asked for: every order they try is accepted, or refused, or unknown; and what is unknown they
 * settle by asking again under the same key.
 */
export class Clients {
  readonly accepted: string[] = [];
  readonly refused: string[] = [];
  #working = new Set<Promise<void>>();
  #next = 0;

  constructor(private readonly url: string) {}

  /** Sends the next `count` customers off; does not wait for them. */
  send(count: number): void {
    for (let i = 0; i < count; i++) {
      const work: Promise<void> = this.#order(MIX[this.#next++ % MIX.length]!).finally(() =>
        this.#working.delete(work),
      );
      this.#working.add(work);
    }
  }

  /** Resolves when no outcome is unknown any more. */
  async settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
  }

  async #order(wish: (typeof MIX)[number]): Promise<void> {
    const key = randomUUID();
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        const { id } = await place(this.url, { items: [...wish.items], paymentMethod: wish.paymentMethod }, key);
        this.accepted.push(id);
        if ('cancels' in wish) await cancel(this.url, id).catch(() => undefined);
        return;
      } catch (error) {
        if (/was answered 4\d\d/.test((error as Error).message)) return void this.refused.push(key);
        if (Date.now() > deadline) throw error;
        await delay(200);
      }
    }
  }
}
