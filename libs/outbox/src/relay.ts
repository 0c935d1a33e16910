import { setTimeout as pause } from 'node:timers/promises';
import { type Counter, metrics, type ObservableGauge } from '@opentelemetry/api';
import { seam } from '@pavane/jetstream';
import type { Pool } from 'pg';
import { isAway, prepared, type Tx } from './database.js';
import { backlog, claimRows, markPublished, type OutboxRow, quarantine, waitingRows } from './outbox.js';

/** What the relay publishes through; `JetStreamPublisher` fits. Resolves when the broker has stored the message. */
export interface Publisher {
  publish(message: { subject: string; id: string; headers: Record<string, string>; data: string }): Promise<unknown>;
}

/** Whether an error says that a message can never be published, whatever the weather. */
const isRejected = (error: unknown): error is Error => (error as { code?: string } | null)?.code === 'PUBLISH_REJECTED';

/** Whether the broker has said no for a reason that may lie in the message, or in the stream. */
const isRefused = (error: unknown): error is Error => (error as { refused?: boolean } | null)?.refused === true;

/** How often a row may be refused while others are published before it is taken to be at fault. */
const MOST_REFUSALS = 5;

/** The most rows held in memory; what comes beyond stays in the table for the sweep. */
const MOST_IN_MEMORY = 2000;
const SWEEP_SIZE = 500;
const SWEEP_EVERY_MS = 200;
const LONGEST_PAUSE_MS = 5000;
/** How long published rows gather to be marked together; a row that is not marked when its process dies is published twice. */
const MARK_AFTER_MS = 100;

/**
 * Publishes what the outbox holds: right after the commit from memory, many at a time, the rows of one aggregate one
 * after the other; and by a sweep what a crash or an outage left behind.
 */
export class Relay {
  /**
   * How long a row belongs to the process that stored it, in milliseconds. After a crash the sweep of any instance takes
   * over then.
   */
  readonly leaseMs = 3000;
  readonly #chains = new Map<string, Promise<boolean>>();
  /** By aggregate, the last row that waits in the table: nothing of that aggregate goes out from memory before it did. */
  readonly #behind = new Map<string, string>();
  /** How many aggregates `#behind` remembers at most; beyond it everything goes by the table, until it can be made anew. */
  readonly mostBehind = 10_000;
  /** Whether rows wait in the table that `#behind` does not know of. */
  #behindIsShort = false;
  #recalling = false;
  /** Rows that were refused: how often while others of the same event got through, and how many had by the last time. */
  readonly #refused = new Map<string, { times: number; published: number }>();
  /** Rows published, by event. */
  readonly #publishedOf = new Map<string, number>();
  #published: OutboxRow[] = [];
  #marking: Promise<void> | undefined;
  #inFlight = 0;
  #publishedInAll = 0;
  #sweeping: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  #pauseMs = SWEEP_EVERY_MS;
  #backlog = { unpublished: 0, oldestMs: 0, quarantined: 0 };
  #measuredAt = 0;
  readonly #counter: Counter = metrics
    .getMeter('@pavane/outbox')
    .createCounter('outbox_published', { description: 'Messages published by the relay' });

  readonly #db: Tx;

  constructor(
    pool: Pool,
    private readonly publisher: Publisher,
    private readonly log: {
      error(message: string, ...more: unknown[]): void;
      warn(message: string, ...more: unknown[]): void;
    } = console,
  ) {
    this.#db = prepared(pool);
    const meter = metrics.getMeter('@pavane/outbox');
    const gauge = (name: string, description: string, read: () => number): ObservableGauge => {
      const g = meter.createObservableGauge(name, { description });
      g.addCallback((result) => result.observe(read()));
      return g;
    };
    gauge('outbox_unpublished', 'Rows not yet published (counted up to 10,000)', () => this.#backlog.unpublished);
    gauge(
      'outbox_oldest_unpublished_seconds',
      'How long the oldest unpublished row has waited',
      () => this.#backlog.oldestMs / 1000,
    );
    gauge('outbox_quarantined', 'Rows that can never be published', () => this.#backlog.quarantined);
  }

  /** Starts sweeping. */
  start(): void {
    this.#running = true;
    this.#schedule(0);
  }

  /** Publishes rows whose transaction has just committed. */
  offer(rows: readonly OutboxRow[]): void {
    for (const row of rows) {
      const inTurn = !this.#behindIsShort && !this.#recalling && !this.#behind.has(row.aggregateId);
      if (!inTurn || this.#inFlight >= MOST_IN_MEMORY) this.#leave(row);
      else void this.#take(row);
    }
  }

  /** How long the oldest unpublished row has waited, in milliseconds, as of the last second; 0 when there is none. */
  oldestUnpublishedMs(): number {
    return this.#backlog.oldestMs === 0 ? 0 : this.#backlog.oldestMs + (Date.now() - this.#measuredAt);
  }

  /** Stops sweeping and resolves when everything in memory is published and marked, or has failed and waits in the table. */
  async drain(): Promise<void> {
    this.#running = false;
    clearTimeout(this.#timer);
    await this.#sweeping;
    while (this.#chains.size > 0) await Promise.all(this.#chains.values());
    while (this.#marking) await this.#marking;
  }

  /** Leaves a row to the sweep. */
  #leave({ aggregateId, id }: Pick<OutboxRow, 'id' | 'aggregateId'>): false {
    const last = this.#behind.get(aggregateId);
    if (last === undefined && this.#behind.size >= this.mostBehind) this.#behindIsShort = true;
    else if (id > (last ?? '')) this.#behind.set(aggregateId, id);
    return false;
  }

  /** Makes `#behind` anew from the table, once what waits there fits into it. */
  async #recall(): Promise<void> {
    this.#behind.clear();
    // What is offered while the table is read is left, and so remembered: the read may be too early to see it.
    this.#behindIsShort = false;
    this.#recalling = true;
    let complete = false;
    try {
      const rows = await waitingRows(this.#db, this.mostBehind);
      complete = rows.length < this.mostBehind;
      for (const row of rows) this.#leave(row);
    } finally {
      this.#recalling = false;
      if (!complete) this.#behindIsShort = true;
    }
  }

  /** Resolves to whether the next row of the aggregate may follow. */
  #take(row: OutboxRow): Promise<boolean> {
    this.#inFlight++;
    const before = this.#chains.get(row.aggregateId) ?? Promise.resolve(true);
    const chain = before
      .then((mayFollow) => (mayFollow ? this.#publish(row) : this.#leave(row)))
      .finally(() => {
        this.#inFlight--;
        if (this.#chains.get(row.aggregateId) === chain) this.#chains.delete(row.aggregateId);
      });
    this.#chains.set(row.aggregateId, chain);
    return chain;
  }

  async #publish(row: OutboxRow): Promise<boolean> {
    const event = row.subject.split('.').slice(0, -1).join('.');
    try {
      seam('publishing', event);
      await this.publisher.publish({ ...row, id: row.messageId ?? row.id });
      seam('published', event);
      this.#counter.add(1);
      this.#publishedInAll++;
      this.#publishedOf.set(event, (this.#publishedOf.get(event) ?? 0) + 1);
      this.#published.push(row);
      this.#refused.delete(row.id);
      this.#markSoon();
    } catch (error) {
      if (isRejected(error) || (isRefused(error) && this.#isAtFault(row, event))) {
        this.log.error(`outbox row was quarantined: ${error.message}`, { outboxId: row.id, subject: row.subject });
        await quarantine(this.#db, row.id, error.message).catch(() => undefined);
      } else return this.#leave(row);
    }
    if (this.#behind.get(row.aggregateId) === row.id) this.#behind.delete(row.aggregateId);
    return true;
  }

  /**
   * Whether a row was refused again and again while others of the same event were published: then it is the row, and not
   * the stream.
   */
  #isAtFault({ id }: OutboxRow, event: string): boolean {
    const before = this.#refused.get(id);
    const published = this.#publishedOf.get(event) ?? 0;
    const times = (before?.times ?? 0) + (before && published > before.published ? 1 : 0);
    if (times >= MOST_REFUSALS) return this.#refused.delete(id);
    this.#refused.set(id, { times, published });
    if (this.#refused.size > MOST_IN_MEMORY) this.#refused.delete(this.#refused.keys().next().value!);
    return false;
  }

  #markSoon(): void {
    this.#marking ??= this.#mark();
  }

  async #mark(): Promise<void> {
    while (this.#published.length > 0) {
      await pause(MARK_AFTER_MS);
      try {
        await markPublished(this.#db, this.#published.splice(0));
      } catch (error) {
        // Published but not marked: the sweep publishes it again under the same id, and listeners skip what they know.
        this.log.warn(`published rows could not be marked: ${(error as Error).message}`);
      }
    }
    this.#marking = undefined;
  }

  #schedule(ms: number): void {
    if (!this.#running) return;
    this.#timer = setTimeout(() => {
      this.#sweeping = this.#sweep().finally(() => {
        this.#sweeping = undefined;
        this.#schedule(this.#pauseMs);
      });
    }, ms);
  }

  async #sweep(): Promise<void> {
    try {
      if (Date.now() - this.#measuredAt >= 1000) {
        const waiting = [...this.#behind];
        this.#backlog = await backlog(this.#db);
        this.#measuredAt = Date.now();
        // Another instance has published what this one left, where nothing has been left since.
        if (this.#backlog.unpublished === 0)
          for (const [aggregate, id] of waiting) if (this.#behind.get(aggregate) === id) this.#behind.delete(aggregate);
        if (this.#behindIsShort && this.#backlog.unpublished < this.mostBehind) await this.#recall();
      }
      let full = true;
      while (full && this.#running) {
        const rows = await claimRows(this.#db, SWEEP_SIZE, this.leaseMs * 2);
        full = rows.length === SWEEP_SIZE;
        const before = this.#publishedInAll;
        await Promise.all(rows.map((row) => this.#take(row)));
        const stuck = rows.length > 0 && this.#publishedInAll === before;
        this.#pauseMs = stuck ? Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS) : SWEEP_EVERY_MS;
        if (stuck) return;
      }
    } catch (error) {
      if (!isAway(error)) this.log.error(`outbox sweep failed: ${(error as Error).message}`);
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }
}
