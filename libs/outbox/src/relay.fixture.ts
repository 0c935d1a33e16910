import { eventually } from '@pavane/testing';
import type { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { count, CounterDatabases } from './counter.fixture.js';
import { type OutboxRow, storeRows } from './outbox.js';
import { Relay } from './relay.js';

/** A broker that does what the test says; by default it takes everything. */
export class Broker {
  readonly ids: string[] = [];
  readonly log: { error: unknown[][]; warn: unknown[][] } = { error: [], warn: [] };
  answer: (row: { id: string; data: string; subject: string }) => Promise<unknown> = () => Promise.resolve();

  async publish(row: { id: string; data: string; subject: string }): Promise<void> {
    await this.answer(row);
    this.ids.push(row.id);
  }
}
export const away = () => Promise.reject(Object.assign(new Error('the broker is away'), { code: 'RETRY_LATER' }));

export const rowOf = (aggregateId: string): OutboxRow => ({
  id: uuidv7(),
  aggregateId,
  subject: `counters.added.${aggregateId}`,
  headers: {},
  data: '{}',
});

/** Relays on a database that is new for each test; what they relay is drained after it. */
export class Relays {
  pool!: Pool;
  databases!: CounterDatabases;
  readonly #relays: Relay[] = [];

  constructor() {
    beforeAll(async () => {
      this.databases = await CounterDatabases.start();
    }, 60_000);
    beforeEach(async () => {
      this.pool = await this.databases.pool();
    });
    afterEach(async () => {
      await Promise.all(this.#relays.splice(0).map((relay) => relay.drain()));
    });
    afterAll(() => this.databases?.[Symbol.asyncDispose]());
  }

  /** A relay with leases short enough to be waited for, and long enough for what was published to be marked. */
  to(broker: Broker, { on = this.pool, leaseMs = 500 } = {}): Relay {
    const relay = new Relay(on, broker, {
      error: (...args) => broker.log.error.push(args),
      warn: (...args) => broker.log.warn.push(args),
    });
    this.#relays.push(Object.assign(relay, { leaseMs }));
    return relay;
  }

  /** Rows that a process stored before it died; its lease is over after so many milliseconds. */
  async leftBehind(aggregateIds: string[], leaseMs = -1): Promise<string[]> {
    const rows = aggregateIds.map(rowOf);
    await storeRows(this.pool, rows, leaseMs);
    return rows.map(({ id }) => id);
  }

  /** Resolves when all of the `n` rows there are have been published. */
  allPublished(n: number): Promise<void> {
    return eventually(async () => {
      const unpublished = await count(this.pool, 'messaging.outbox WHERE published_at IS NULL');
      const all = await count(this.pool, 'messaging.outbox');
      if (unpublished > 0 || all !== n)
        throw new Error(`${unpublished} of ${all} rows are not published, expected ${n}`);
    });
  }

  async idsOf(aggregateId: string): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string }>(
      'SELECT id FROM messaging.outbox WHERE aggregate_id = $1 ORDER BY id',
      [aggregateId],
    );
    return rows.map(({ id }) => id);
  }
}
