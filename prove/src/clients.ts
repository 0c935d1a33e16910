import { setTimeout as delay } from 'node:timers/promises';
import { cancel, NotAccepted, place } from '@pavane/tools';
import { History } from './history.js';
import type { Random } from './random.js';

/** What a customer asks for. */
export interface Wish {
  items: { sku: string; quantity: number }[];
  paymentMethod: string;
  /** Whether the customer cancels as soon as the order is accepted. */
  cancels?: boolean;
}

const CUP = { sku: 'CUP', quantity: 1 };
const GHOST = { sku: 'GHOST', quantity: 1 };

/** Orders that end by themselves, at every ending but the deadline, whatever the provider does to them on the way. */
export const QUICK: readonly Wish[] = [
  { items: [CUP], paymentMethod: 'card_ok' },
  { items: [{ sku: 'TEAPOT', quantity: 2 }, CUP], paymentMethod: 'card_ok' },
  { items: [CUP], paymentMethod: 'card_declined' },
  { items: [CUP, GHOST], paymentMethod: 'card_ok' },
  { items: [CUP], paymentMethod: 'card_ok', cancels: true },
  { items: [CUP], paymentMethod: 'card_flaky' },
  { items: [CUP], paymentMethod: 'card_lost_reply' },
  { items: [GHOST], paymentMethod: 'card_refund_flaky' },
];
/** Orders whose card answers after the deadline. */
export const SLOW: readonly Wish[] = [
  { items: [CUP], paymentMethod: 'card_slow' },
  { items: [CUP], paymentMethod: 'card_slow', cancels: true },
];

/** How long a customer keeps asking about one order before giving up. */
const PATIENCE_MS = 120_000;
/** What one try may take; without an answer its outcome is unknown. */
const TRY_MS = 5_000;
/** Customers who keep coming stay away while so many wait to be accepted: a crowd without bounds proves nothing more. */
const MOST_CUSTOMERS = 500;
/** Of these, how many ask at the same time. */
const MOST_TRIES = 100;
/** The longest a customer stays away when told to; longer, and it would be the customers who take long to recover. */
const LONGEST_AWAY_MS = 2_000;

/**
 * Customers who know what they asked for: every order they try is accepted, or refused, or unknown; and what is unknown
 * they settle by asking again under the same key.
 */
export class Clients {
  /** Ids of the orders that were accepted. */
  readonly accepted: string[] = [];
  /** Idempotency keys of what was refused for good. */
  readonly refused: string[] = [];
  readonly history = new History();
  readonly #working = new Set<Promise<void>>();
  /** Those who wait for others to be answered before they ask. */
  readonly #line: (() => void)[] = [];
  #trying = 0;
  #failure: unknown;

  /** `url` is asked for anew at each try: a balancer that knows who is there. */
  constructor(
    private url: () => string,
    private readonly random: Random,
    private readonly wishes: readonly Wish[] = QUICK,
  ) {}

  /** From now on asks what this says. */
  balance(url: () => string): void {
    this.url = url;
  }

  /** How many orders have neither been accepted nor refused yet. */
  get unknown(): number {
    return this.#working.size;
  }

  /** Sends the next `count` customers off, each with a wish drawn from all; does not wait for them. */
  send(count: number, wishes: readonly Wish[] = this.wishes): void {
    for (let i = 0; i < count; i++) this.ask(this.random.pick(wishes));
  }

  /** Sends one of each wish off. */
  sendEach(): void {
    for (const wish of this.wishes) this.ask(wish);
  }

  /**
   * Customers keep coming, so many a second, until the function it returns is called; but nobody comes while `atMost` have
   * not been accepted.
   */
  keepComing(perSecond: number, atMost = MOST_CUSTOMERS): () => void {
    // Evenly, and by the clock: a late tick sends what it owes.
    const started = performance.now();
    let sent = 0;
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - started) * perSecond) / 1000);
      this.send(Math.min(due - sent, Math.max(0, atMost - this.unknown)));
      sent = due;
    }, 50);
    return () => clearInterval(timer);
  }

  /** Sends one customer off. */
  ask(wish: Wish): void {
    const key = this.random.uuid();
    const work: Promise<void> = this.#order(wish, key)
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#working.delete(work));
    this.#working.add(work);
  }

  /** Resolves when no outcome is unknown any more. Rejects when a customer lost patience. */
  async settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working);
    if (this.#failure) throw this.#failure;
  }

  async #order(wish: Wish, key: string): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const noted = this.history.invoke(key, wish);
      try {
        const { id } = await this.#inTurn(() => place(this.url(), wish, key, TRY_MS));
        noted('ok', id);
        this.accepted.push(id);
        if (wish.cancels) await this.#cancel(id);
        return;
      } catch (error) {
        const { message } = error as Error;
        // 408 and 429 ask to come again; any other 4xx is a no.
        if (/was answered 4(?!08|29)\d\d/.test(message)) {
          noted('fail', message);
          return void this.refused.push(key);
        }
        noted('info', message);
        if (Date.now() > deadline)
          throw new Error(`a customer lost patience after ${PATIENCE_MS / 1000} s: ${message}`, { cause: error });
        const asked = error instanceof NotAccepted ? (error.retryAfterMs ?? 0) : 0;
        await delay(Math.min(asked, LONGEST_AWAY_MS) + this.random.int(150, 350));
      }
    }
  }

  /** Lets only so many ask at the same time. */
  async #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#trying >= MOST_TRIES) await new Promise<void>((resolve) => this.#line.push(resolve));
    else this.#trying++;
    try {
      return await ask();
    } finally {
      const next = this.#line.shift();
      if (next) next();
      else this.#trying--;
    }
  }

  /** Asks once: a cancellation that is not answered may or may not have been heard, and either is right. */
  async #cancel(id: string): Promise<void> {
    const noted = this.history.invoke(id, 'cancel');
    try {
      noted('ok', await cancel(this.url(), id));
    } catch (error) {
      noted('info', (error as Error).message);
    }
  }
}
