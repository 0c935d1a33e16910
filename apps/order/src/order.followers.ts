import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { metrics } from '@opentelemetry/api';
import { isAway } from '@pavane/outbox';
import { Intake, Loop, problem } from '@pavane/service';
import { Observable } from 'rxjs';
import { OrderConfig } from './order.config.js';
import type { OrderView } from './order.http.dto.js';
import { orderProblem, orderUnknown } from './order.problems.js';
import { isEchoed } from './order.js';
import { type OrderNews, OrderStore } from './order.store.js';

/** The pause between two looks at the orders that are followed. */
export const LOOK_EVERY_MS = 300;
/** How long an ended order is followed for what others still do about it. */
const AFTERMATH_MS = 30_000;
/** Well below the minute after which proxies close a silent connection. */
const COMMENT_EVERY_MS = 15_000;
/** When a client whose connection broke comes back: those of an instance that stopped do not all come at once. */
const RETRY_MS = { least: 1000, spread: 2000 };
/** Seconds after which it makes sense to ask again for a place. */
const RETRY_AFTER = 10;

/** What a follower is sent: an entry of the history under its number, the time to wait before coming back, or a comment. */
export interface FollowerEvent {
  id?: string;
  data?: OrderView['history'][number];
  retry?: number;
  comment?: string;
}

/**
 * Lets many follow the history of orders at the cost of one reader: a single query looks up every followed order, and none
 * is made while nobody follows. Each instance reads the database, so it does not matter which one handles an order.
 */
@Injectable()
export class OrderFollowers implements OnApplicationBootstrap {
  readonly #log = new Logger('Followers');
  readonly #followed = new Map<string, Followed>();
  readonly #loop: Loop;
  #count = 0;
  #lookedAt = -Infinity;
  #stopped = false;

  constructor(
    private readonly store: OrderStore,
    private readonly config: OrderConfig,
    private readonly intake: Intake,
  ) {
    this.#loop = new Loop(() => this.#look(), {
      everyMs: LOOK_EVERY_MS,
      onError: (error) =>
        isAway(error) || this.#log.error(`followed orders were not looked up: ${(error as Error).message}`),
    });
    metrics
      .getMeter('@pavane/order')
      .createObservableGauge('order_followers', { description: 'Open event streams of this instance' })
      .addCallback((result) => result.observe(this.#count));
  }

  onApplicationBootstrap(): void {
    this.intake.add('followers', () => this.#stop());
    this.#loop.start();
  }

  /**
   * The order's history from the entry after this number on. The stream completes when everybody was seen to act on the
   * ending, or 30 s after the last entry of an ended order; undefined when it is complete and holds nothing more. The place
   * is given back when the signal aborts. Rejects with a 404 problem, or a 503 problem when every place is taken.
   */
  async follow(id: string, after: number, signal: AbortSignal): Promise<Observable<FollowerEvent> | undefined> {
    if (this.#stopped) throw leaving();
    const { ORDER_FOLLOWERS: places } = this.config;
    if (this.#count >= places)
      throw orderProblem('too-many-followers', {
        detail: `This instance serves ${places} event streams at a time. Read the order itself meanwhile.`,
        retryAfter: RETRY_AFTER,
      });
    const followed = this.#hold(id, signal);
    await followed.read.promise;
    return followed.isOver && after >= followed.entries.length ? undefined : followed.entriesAfter(after);
  }

  #hold(id: string, signal: AbortSignal): Followed {
    const followed = this.#followed.get(id) ?? new Followed();
    this.#followed.set(id, followed);
    this.#count++;
    followed.holders++;
    signal.addEventListener('abort', () => {
      this.#count--;
      if (--followed.holders === 0) this.#drop(id, followed);
    });
    if (!followed.isRead) this.#loop.poke();
    return followed;
  }

  /** The next who comes finds the order anew. */
  #drop(id: string, followed: Followed): void {
    if (this.#followed.get(id) === followed) this.#followed.delete(id);
  }

  async #look(): Promise<void> {
    // Who has just come does not wait for the next look, and nobody else is looked up for it.
    const isDue = performance.now() - this.#lookedAt >= LOOK_EVERY_MS;
    const asked = [...this.#followed].filter(([, followed]) => isDue || !followed.isRead);
    if (asked.length === 0) return;
    if (isDue) this.#lookedAt = performance.now();
    try {
      const news = await this.store.news(new Map(asked.map(([id, { entries }]) => [id, entries.length])));
      for (const [id, followed] of asked) {
        const found = news.get(id);
        if (!found && !followed.isRead) this.#fail(id, followed, orderUnknown(id));
        else if (followed.take(found)) this.#drop(id, followed);
      }
    } catch (error) {
      // Who follows already is served by a later look.
      for (const [id, followed] of asked) if (!followed.isRead) this.#fail(id, followed, error);
      throw error;
    }
  }

  #fail(id: string, followed: Followed, reason: unknown): void {
    this.#drop(id, followed);
    followed.read.reject(reason);
  }

  async #stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop.stop();
    for (const [id, followed] of this.#followed) if (!followed.isRead) this.#fail(id, followed, leaving());
  }
}

const leaving = () =>
  problem(503, 'temporarily-unavailable', { detail: 'This instance stops; another takes over.', retryAfter: 1 });

/** An order somebody follows, as far as it was read. */
class Followed {
  readonly entries: OrderNews['entries'] = [];
  /** Settled by the first look. */
  readonly read = Promise.withResolvers<void>();
  /** Requests that follow it. */
  holders = 0;
  isRead = false;
  isOver = false;
  readonly #shows = new Set<() => void>();
  #order: Pick<OrderNews, 'status' | 'noted'> = { status: 'pending', noted: [] };

  /** Takes what a look found and shows it to everybody; true when nothing more is to be shown. */
  take(news: OrderNews | undefined): boolean {
    if (news) {
      this.entries.push(...news.entries);
      this.#order = news;
    }
    const sinceLast = Date.now() - (this.entries.at(-1)?.at.getTime() ?? Date.now());
    this.isOver = isEchoed(this.#order) || (this.#order.status !== 'pending' && sinceLast > AFTERMATH_MS);
    this.isRead = true;
    this.read.resolve();
    if (news || this.isOver) for (const show of this.#shows) show();
    return this.isOver;
  }

  entriesAfter(after: number): Observable<FollowerEvent> {
    return new Observable((subscriber) => {
      let shown = after;
      const show = () => {
        for (const data of this.entries.slice(shown)) subscriber.next({ id: String(++shown), data });
        if (this.isOver) subscriber.complete();
      };
      const retry = Math.round(RETRY_MS.least + Math.random() * RETRY_MS.spread);
      // A message without an id would be given one, and the client would come back with that.
      subscriber.next({ id: String(after), retry });
      const comments = setInterval(() => subscriber.next({ comment: '' }), COMMENT_EVERY_MS);
      this.#shows.add(show);
      show();
      return () => {
        clearInterval(comments);
        this.#shows.delete(show);
      };
    });
  }
}
