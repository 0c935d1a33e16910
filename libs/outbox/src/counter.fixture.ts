import { readdir, readFile } from 'node:fs/promises';
import { type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { Tx } from './database.js';
import type { Outbound, OutboxRow } from './outbox.js';
import { type Change, type Outlet, Participant, type Rules, type Store } from './participant.js';

/** The smallest participant there is: counters that only grow, and say each time what they grew to. */
export interface Counter {
  value: number;
  stored: boolean;
}
/** `add` 0 leads to nothing; beyond 100 the database refuses; `break` breaks a rule. */
export type CounterMessage =
  | { type: 'add'; orderId: string; data: number }
  | { type: 'break'; orderId: string; data: 0 };
export interface Added {
  type: 'added';
  value: number;
  note?: string;
}

export const rules: Rules<Counter, CounterMessage, Added> = {
  aggregateOf: ({ orderId }) => orderId,
  initial: () => ({ value: 0, stored: false }),
  decide: ({ type, orderId, data }, { value }) => {
    if (type === 'break') throw new Error(`a rule of ${orderId} was broken`);
    return data === 0 ? [] : [{ type: 'added', value: value + data }];
  },
  evolve: (state, { value }) => ({ ...state, value }),
};

export const outbound = (orderId: string, { type, value, note }: Added): Outbound => ({
  subject: `counters.${type}.${orderId}`,
  type: 'counters.added.v1',
  source: 'counter',
  data: { value, ...(note !== undefined && { note }) },
});

/** Inserts new counters plainly, so that two who make the same one collide. The hooks let a test stop time. */
export class CounterStore implements Store<Counter, CounterMessage, Added> {
  readonly sets: number[] = [];
  loaded: () => Promise<void> = () => Promise.resolve();
  saving: () => Promise<void> = () => Promise.resolve();

  async load(tx: Tx, ids: readonly string[], messages: readonly CounterMessage[]): Promise<Map<string, Counter>> {
    this.sets.push(messages.length);
    const { rows } = await tx.query<{ id: string; value: number }>(
      'SELECT id, value FROM counters WHERE id = ANY ($1) ORDER BY id FOR UPDATE',
      [ids],
    );
    await this.loaded();
    return new Map(rows.map(({ id, value }) => [id, { value, stored: true }]));
  }

  async save(tx: Tx, changes: readonly Change<Counter, Added>[]): Promise<void> {
    await this.saving();
    for (const { id, state } of changes) {
      await tx.query(
        state.stored
          ? 'UPDATE counters SET value = $2 WHERE id = $1'
          : 'INSERT INTO counters (id, value) VALUES ($1, $2)',
        [id, state.value],
      );
    }
  }
}

/** Keeps what it is offered and publishes nothing. */
export class Shelf implements Outlet {
  readonly leaseMs = 0;
  readonly rows: OutboxRow[] = [];
  offer(rows: readonly OutboxRow[]): void {
    this.rows.push(...rows);
  }
}

export type CounterOptions = Partial<{
  store: CounterStore;
  outlet: Outlet;
  rules: typeof rules;
  outbound: typeof outbound;
  now: () => Date;
}>;

export const counters = (pool: Pool, options: CounterOptions = {}): Participant<Counter, CounterMessage, Added> =>
  new Participant({
    pool,
    rules,
    outbound,
    store: new CounterStore(),
    outlet: new Shelf(),
    now: () => new Date(),
    newId: uuidv7,
    ...options,
  });

export const add = (orderId: string, n: number): CounterMessage => ({ type: 'add', orderId, data: n });

/** A PostgreSQL whose databases each hold an inbox, an outbox and counters. */
export class CounterDatabases implements AsyncDisposable {
  readonly #pools: Pool[] = [];
  #databases = 0;
  private constructor(readonly server: PostgresServer) {}

  static async start(): Promise<CounterDatabases> {
    const server = await startPostgres({ databases: ['template'] });
    const pool = new Pool({ connectionString: server.url('template') });
    const sql = new URL('../sql/', import.meta.url);
    for (const file of (await readdir(sql)).sort()) await pool.query(await readFile(new URL(file, sql), 'utf8'));
    await pool.query('CREATE TABLE counters (id text PRIMARY KEY, value integer NOT NULL CHECK (value <= 100))');
    await pool.end();
    return new CounterDatabases(server);
  }

  /** A database of its own. */
  create(): Promise<string> {
    return this.server.createDatabase(`counters_${++this.#databases}`, { template: 'template' });
  }

  /** A pool on a database, by default a new one. */
  async pool(url?: string): Promise<Pool> {
    const pool = new Pool({ connectionString: url ?? (await this.create()), max: 10, pipeline: true });
    pool.on('error', () => undefined);
    this.#pools.push(pool);
    return pool;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.end()));
    await this.server[Symbol.asyncDispose]();
  }
}

export const valueOf = async (pool: Pool, id: string): Promise<number | undefined> =>
  (await pool.query<{ value: number }>('SELECT value FROM counters WHERE id = $1', [id])).rows[0]?.value;

/** What the outbox of a database says about an aggregate, in order. */
export const saidOf = async (pool: Pool, id: string): Promise<unknown[]> =>
  (
    await pool.query<{ data: unknown }>('SELECT data FROM messaging.outbox WHERE aggregate_id = $1 ORDER BY id', [id])
  ).rows.map(({ data }) => data);

export const count = async (pool: Pool, table: string): Promise<number> =>
  (await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`)).rows[0]!.n;
