import { randomUUID } from 'node:crypto';
import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Endings } from './endings.js';
import { postOrder } from './post.js';

/** Customers who place at the same time when nobody waits for an ending. */
const POSTS_AT_ONCE = 64;

/** What came of some load. */
export interface Loaded {
  orders: number;
  /** From the first POST to the last ending. */
  seconds: number;
  /** From the first POST until the last customer was told. */
  settledSeconds: number;
  /** From when each order was due to be placed until its ending was said, in milliseconds. */
  latenciesMs: number[];
}

/** Places orders over HTTP, and waits until they have ended. */
export class Load {
  /** Every order that was accepted. */
  readonly accepted: string[] = [];
  readonly #agent = new Agent({ keepAlive: true });

  private constructor(
    private readonly url: string,
    private readonly endings: Endings,
  ) {}

  static async on({ http, nats }: { http: { order: string }; nats: string }): Promise<Load> {
    return new Load(http.order, await Endings.follow(nats));
  }

  /** Keeps so many orders on their way, one that ends making room for the next, until the time or the orders are up. */
  async closed({ inFlight, seconds, orders = Infinity }: { inFlight: number; seconds: number; orders?: number }) {
    const until = performance.now() + seconds * 1000;
    let left = orders;
    return this.#measured((one) =>
      Promise.all(
        Array.from({ length: inFlight }, async () => {
          while (performance.now() < until && left-- > 0) await one(performance.now());
        }),
      ),
    );
  }

  /** Places at a fixed rate whatever the platform does, so that a stall is seen by everyone who comes during it. */
  async open({ perSecond, seconds }: { perSecond: number; seconds: number }): Promise<Loaded> {
    const count = Math.max(1, Math.round(perSecond * seconds));
    return this.#measured(async (one) => {
      const start = performance.now();
      const placed: Promise<void>[] = [];
      for (let i = 0; i < count; i++) {
        const due = start + (i * 1000) / perSecond;
        const early = due - performance.now();
        if (early > 0) await delay(early);
        placed.push(handled(one(due)));
      }
      await Promise.all(placed);
    });
  }

  /** Places so many without waiting for any ending: resolves to how to learn when the last has ended, and its customer was told. */
  async pile(orders: number): Promise<{ seconds: number; ended: Promise<number>; told: Promise<number> }> {
    const start = performance.now();
    const ended: Promise<number>[] = [];
    const told: Promise<number>[] = [];
    let left = orders;
    await Promise.all(
      Array.from({ length: POSTS_AT_ONCE }, async () => {
        while (left-- > 0) {
          const id = await this.#post();
          this.accepted.push(id);
          ended.push(handled(this.endings.ended(id)));
          told.push(handled(this.endings.told(id)));
        }
      }),
    );
    const seconds = (performance.now() - start) / 1000;
    const last = (all: Promise<number>[]) =>
      handled(Promise.all(all).then((at) => at.reduce((a, b) => Math.max(a, b))));
    return { seconds, ended: last(ended), told: last(told) };
  }

  async close(): Promise<void> {
    this.#agent.destroy();
    await this.endings.close();
  }

  async #measured(place: (one: (due: number) => Promise<void>) => Promise<unknown>): Promise<Loaded> {
    const latenciesMs: number[] = [];
    const told: Promise<number>[] = [];
    const start = performance.now();
    let last = start;
    await place(async (due) => {
      const id = await this.#post();
      this.accepted.push(id);
      told.push(handled(this.endings.told(id)));
      last = await this.endings.ended(id);
      latenciesMs.push(last - due);
    });
    const settled = (await Promise.all(told)).reduce((a, b) => Math.max(a, b), last);
    return {
      orders: latenciesMs.length,
      seconds: (last - start) / 1000,
      settledSeconds: (settled - start) / 1000,
      latenciesMs,
    };
  }

  /** Resolves to the id of the accepted order. A customer who is turned away comes again when told to. */
  async #post(): Promise<string> {
    const key = randomUUID();
    for (;;) {
      const answer = await postOrder(this.url, this.#agent, key);
      if ('id' in answer) return answer.id;
      await delay(answer.retryAfterMs);
    }
  }
}

/** A promise somebody looks at later: until then its failure is nobody's. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
