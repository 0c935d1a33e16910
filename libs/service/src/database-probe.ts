import type { OnApplicationShutdown } from '@nestjs/common';
import { ReadOnlySession, sessionProblem, type Tx } from '@pavane/outbox';
import type { Pool, PoolClient, QueryConfig } from 'pg';
import { compare, type Comparison } from './clocks.js';

/** Time an answer to the readiness probe may take, in milliseconds. */
const PROBE_MS = 2_000;

/** What else a database must have, and the sentence that says what it has not. */
export type DatabaseCheck = (db: Tx) => Promise<string | undefined>;

/**
 * Tells whether the database can be worked with: it takes writes, keeps sessions apart, and passes the checks. Asks on a
 * connection of its own, since a pool that is merely busy is not an outage, and on one of the pool when that has one to
 * spare: it may lead elsewhere.
 */
export class DatabaseProbe implements OnApplicationShutdown {
  constructor(
    private readonly own: Pool,
    private readonly pool: Pool,
    private readonly checks: readonly DatabaseCheck[],
  ) {}

  /** @returns what is wrong, or undefined */
  async problem(): Promise<string | undefined> {
    try {
      return await withClient(
        this.own,
        async (own) => (await this.problemOfSessions(own)) ?? this.problemOfSchema(own),
      );
    } catch (error) {
      if (error instanceof ReadOnlySession) await this.dropIdle();
      // Of several addresses tried in vain only the code is common.
      const { message, code, name } = error as NodeJS.ErrnoException;
      return message || code || name;
    }
  }

  /** Compares the database's clock; rejects when the database cannot be asked. */
  clock(): Promise<Comparison | undefined> {
    return withClient(this.own, (own) =>
      compare(async () => {
        const text = 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now';
        const { rows } = await own.query<{ now: number }>({ text, query_timeout: PROBE_MS } as QueryConfig);
        return rows[0]!.now;
      }),
    );
  }

  async onApplicationShutdown(): Promise<void> {
    await this.own.end();
  }

  /** Both are open before one is asked: without sessions of their own they are one session now. */
  private async problemOfSessions(own: PoolClient): Promise<string | undefined> {
    const { idleCount, totalCount, options } = this.pool;
    if (idleCount === 0 && totalCount >= options.max) return sessionProblem(own, PROBE_MS);
    return withClient(
      this.pool,
      async (spare) => (await sessionProblem(own, PROBE_MS)) ?? sessionProblem(spare, PROBE_MS),
    );
  }

  private async problemOfSchema(db: Tx): Promise<string | undefined> {
    for (const check of this.checks) {
      const problem = await check(db);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  /** Makes the pool connect anew: what it holds may lead to a server that was the primary once. */
  private async dropIdle(): Promise<void> {
    const { idleCount } = this.pool;
    const dropping = Array.from({ length: idleCount }, async () => (await this.pool.connect()).release(true));
    await Promise.allSettled(dropping);
  }
}

/** Runs `work` on a connection of the pool, which does not get it back when the work fails. */
async function withClient<T>(pool: Pool, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  // A pool listens to idle connections only: one that is lost meanwhile would end the process. The work fails by it.
  const lost = (): void => undefined;
  client.on('error', lost);
  let failed = true;
  try {
    const result = await work(client);
    failed = false;
    return result;
  } finally {
    client.off('error', lost);
    client.release(failed);
  }
}
