import { transaction } from '@pavane/outbox';
import {
  hasPgBouncer,
  type PgBouncer,
  type PostgresServer,
  startPgBouncer,
  startPostgres,
} from '@pavane/testing/servers';
import { ServiceConfig } from './config.js';
import { createPool } from './database.js';
import { DatabaseProbe } from './database-probe.js';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres({ databases: ['fixture'] });
}, 60_000);
afterAll(() => postgres?.[Symbol.asyncDispose]());

/** A service's pool and probe on the other side of a pooler. */
function behind(pooler: PgBouncer) {
  const config = Object.assign(new ServiceConfig(), {
    DATABASE_URL: pooler.url('fixture'),
    DATABASE_STATEMENT_TIMEOUT: 5000,
  });
  const pool = createPool(config, 'fixture');
  const probe = new DatabaseProbe(createPool(config, 'fixture-probe', 1), pool, []);
  return {
    pool,
    probe,
    async [Symbol.asyncDispose]() {
      await probe.onApplicationShutdown();
      await pool.end();
    },
  };
}

(hasPgBouncer() ? describe : describe.skip)('behind a PgBouncer', () => {
  it('that keeps sessions apart, as it does by default, everything works', async () => {
    await using pooler = await startPgBouncer({ postgres: postgres.port, poolMode: 'session' });
    await using service = behind(pooler);
    const look = () =>
      transaction(service.pool, async (tx) => {
        const { rows } = await tx.query<object>(
          `SELECT current_setting('statement_timeout') AS timeout, current_setting('application_name') AS name, $1::int AS n`,
          [1],
        );
        return rows[0];
      });
    // More at once than there are connections, and each text twice on each of them.
    for (const answer of await Promise.all(Array.from({ length: 40 }, look)))
      expect(answer).toEqual({ timeout: '5s', name: 'fixture', n: 1 });
    for (let probes = 0; probes < 5; probes++) expect(await service.probe.problem()).toBeUndefined();
  });

  it('that gives each transaction another session, the service says what it lacks', async () => {
    await using pooler = await startPgBouncer({ postgres: postgres.port, poolMode: 'transaction' });
    await using service = behind(pooler);
    expect(await service.probe.problem()).toBe(
      'a pooler in front of it gives each transaction another session, which loses settings and prepared statements; ' +
        'set pool_mode = session there',
    );
  });
});
