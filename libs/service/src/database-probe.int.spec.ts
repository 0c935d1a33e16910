import { readFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { revisionProblem } from '@pavane/outbox';
import { type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { Client, type Pool } from 'pg';
import { ServiceConfig } from './config.js';
import { createPool } from './database.js';
import { type DatabaseCheck, DatabaseProbe } from './database-probe.js';
import { migrationProblem } from './migrations.js';

let postgres: PostgresServer;
let databases = 0;
beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres?.[Symbol.asyncDispose]());

/** A service's pool and the probe beside it. */
class Probed implements AsyncDisposable {
  readonly pool: Pool;
  readonly probe: DatabaseProbe;

  constructor(
    readonly url: string,
    ...checks: DatabaseCheck[]
  ) {
    const config = Object.assign(new ServiceConfig(), { DATABASE_URL: url });
    this.pool = createPool(config, 'fixture');
    this.probe = new DatabaseProbe(createPool(config, 'fixture-probe', 1), this.pool, checks);
  }

  static async start(...checks: DatabaseCheck[]): Promise<Probed> {
    return new Probed(await postgres.createDatabase(`probed_${++databases}`), ...checks);
  }

  administer(...statements: string[]): Promise<void> {
    return administer(this.url, ...statements);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.probe.onApplicationShutdown();
    await this.pool.end();
  }
}

async function administer(url: string, ...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

const name = ({ url }: Probed) => new URL(url).pathname.slice(1);

describe('a database', () => {
  it('is ready when it takes a write', async () => {
    await using on = await Probed.start();
    const wal = async () =>
      (await on.pool.query<{ at: string }>('SELECT pg_current_wal_flush_lsn() AS at')).rows[0]!.at;
    const before = await wal();
    expect(await on.probe.problem()).toBeUndefined();
    expect(await wal()).not.toBe(before);
  });

  it('is not ready while it is read-only, for sessions that were open before as well', async () => {
    await using on = await Probed.start();
    expect(await on.probe.problem()).toBeUndefined();
    await on.administer(`ALTER ROLE postgres IN DATABASE ${name(on)} SET default_transaction_read_only = on`);
    await on.pool.query('SET default_transaction_read_only = on');
    const said = /^it takes no writes, because its sessions are read-only/;
    expect(await on.probe.problem()).toMatch(said);
    // The session that was found so is gone, and no other is opened.
    expect(on.pool.totalCount).toBe(0);
    await expect(on.pool.query('SELECT 1')).rejects.toThrow(said);
    expect(await on.probe.problem()).toMatch(said);
  });

  it('is not ready while it refuses whoever comes', async () => {
    await using on = await Probed.start();
    await administer(postgres.url(), `ALTER DATABASE ${name(on)} ALLOW_CONNECTIONS false`);
    expect(await on.probe.problem()).toMatch(/is not currently accepting connections/);
  });

  it('is not ready until every migration is applied, and says with which command', async () => {
    await using on = await Probed.start((db) => migrationProblem(db, ['1_first', '2_second']));
    expect(await on.probe.problem()).toBe('it lacks 2 migrations, the first of them 1_first; run "npm run migrate"');
    await on.administer(
      'CREATE TABLE _prisma_migrations (migration_name text, finished_at timestamptz, rolled_back_at timestamptz)',
      `INSERT INTO _prisma_migrations VALUES ('1_first', now()), ('2_second', NULL), ('0_other', now())`,
    );
    expect(await on.probe.problem()).toBe('it lacks the migration 2_second; run "npm run migrate"');
    await on.administer('UPDATE _prisma_migrations SET finished_at = now()');
    expect(await on.probe.problem()).toBeUndefined();
    await on.administer('DROP SCHEMA public CASCADE');
    expect(await on.probe.problem()).toMatch(/^it lacks 2 migrations/);
  });

  it('is not ready until its inbox and outbox have the revision that is needed, nor once they are lost', async () => {
    await using on = await Probed.start(revisionProblem);
    const sql = new URL('../../outbox/sql/', import.meta.url);
    await on.administer(await readFile(new URL('20261121000000_messaging.sql', sql), 'utf8'));
    expect(await on.probe.problem()).toMatch(/^it has revision 1 of inbox and outbox, and revision 2 is needed; run /);
    await on.administer(await readFile(new URL('20261130000000_messaging_revision_2.sql', sql), 'utf8'));
    expect(await on.probe.problem()).toBeUndefined();
    await on.administer('DROP SCHEMA messaging CASCADE');
    expect(await on.probe.problem()).toMatch(/^it has no inbox and outbox/);
  });
});

describe('a pool that still leads to a demoted primary', () => {
  it('is emptied by the probe, so that whoever asks next comes to the new one', async () => {
    await using other = await startPostgres();
    await using way = await wayTo(postgres.port);
    await using on = new Probed(`postgresql://postgres@127.0.0.1:${way.port}/postgres`);
    const portOf = async () => (await on.pool.query<{ port: string }>('SHOW port')).rows[0]!.port;
    const clients = await Promise.all([on.pool.connect(), on.pool.connect(), on.pool.connect()]);
    for (const client of clients) client.release();
    expect(await on.probe.problem()).toBeUndefined();
    await on.administer('ALTER SYSTEM SET default_transaction_read_only = on', 'SELECT pg_reload_conf()');
    way.leadTo(other.port);
    try {
      const problems = [await on.probe.problem(), await on.probe.problem()];
      expect(problems).toEqual([expect.stringMatching(/^it takes no writes/), undefined]);
      expect(await portOf()).toBe(String(other.port));
    } finally {
      await administer(postgres.url(), 'ALTER SYSTEM RESET default_transaction_read_only', 'SELECT pg_reload_conf()');
    }
  });
});

/** An address that leads whoever connects to the server it is set to at that time. */
async function wayTo(first: number) {
  let target = first;
  const sockets: Socket[] = [];
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.push(from);
      from.on('error', () => undefined);
      from.pipe(to);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    leadTo: (port: number) => void (target = port),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
