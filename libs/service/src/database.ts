import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { openSession, PG_POOL } from '@pavane/outbox';
import { Pool } from 'pg';
import type { ServiceConfig } from './config.js';
import { ShutdownCoordinator } from './coordinator.js';

/** Time to get a connection before the database counts as away, in milliseconds. */
const CONNECT_MS = 3_000;

/** What the database gets to report its own timeout before the link to it counts as dead, in milliseconds. */
const ANSWER_MS = 2_000;

/**
 * The pool of a service. A lost idle connection is replaced on demand and never ends the process. Sessions are the same
 * whatever the defaults of the database are, and can write; works through a pooler that keeps sessions apart.
 */
export function createPool(config: ServiceConfig, name: string, max = config.DATABASE_POOL): Pool {
  const statementMs = String(config.DATABASE_STATEMENT_TIMEOUT);
  const settings = {
    statement_timeout: statementMs,
    // A transaction forgotten open would hold its row locks for ever.
    idle_in_transaction_session_timeout: statementMs,
  };
  const pool = new Pool({
    connectionString: config.DATABASE_URL,
    application_name: name,
    max,
    // As the outbox needs it: what a transaction asks for is sent without waiting for the answer before.
    pipeline: true,
    connectionTimeoutMillis: CONNECT_MS,
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it, though its types do not say so
    onConnect: (client) => openSession(client, { settings, withinMs: CONNECT_MS }),
    // Nothing else ends a query on a half-open link before TCP gives up, which takes minutes.
    query_timeout: config.DATABASE_STATEMENT_TIMEOUT + ANSWER_MS,
    keepAlive: true,
  });
  const logger = new Logger('Database');
  pool.on('error', (error) => logger.warn('an idle connection was lost', { problem: error.message }));
  return pool;
}

/** Ends the pool when an app is closed by itself, as tests do; the coordinator does so later, after the broker. */
@Injectable()
export class PoolOwner implements OnApplicationShutdown {
  constructor(
    @Inject(PG_POOL) private readonly pool: Pool,
    @Inject(ShutdownCoordinator) private readonly coordinator: ShutdownCoordinator,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    if (!this.coordinator.isDraining) await this.pool.end();
  }
}
