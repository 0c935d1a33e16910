import { isAway, transaction } from '@pavane/outbox';
import { type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ServiceConfig } from './config.js';
import { createPool } from './database.js';
import { loadConfig } from './load-config.js';

let postgres: PostgresServer;

beforeAll(async () => {
  postgres = await startPostgres({ databases: ['fixture'] });
}, 60_000);

afterAll(async () => {
  await postgres?.[Symbol.asyncDispose]();
});

describe('a link to the database that went silent', () => {
  it.each<[string, (pool: ReturnType<typeof createPool>) => Promise<unknown>]>([
    ['a query', (pool) => pool.query('SELECT 1')],
    ['a transaction', (pool) => transaction(pool, (tx) => tx.query('SELECT 1'))],
  ])(
    'fails %s soon after the statement timeout, as an outage',
    async (_what, work) => {
      await using link = await linkTo(postgres.url('fixture'));
      const config = Object.assign(new ServiceConfig(), { DATABASE_URL: link.url, DATABASE_STATEMENT_TIMEOUT: 100 });
      const pool = createPool(config, 'fixture', 1);
      await pool.query('SELECT 1');
      link.stall();
      const started = performance.now();
      const error: unknown = await work(pool).catch((reason: unknown) => reason);
      expect(isAway(error)).toBe(true);
      // Of two statements on the link, one times out and takes the other with it.
      expect((error as Error).message).toMatch(/^(Query read timeout|Connection terminated unexpectedly)$/);
      expect(performance.now() - started).toBeLessThan(8_000);
      await pool.end();
    },
    20_000,
  );
});

describe('a database on a socket of the file system', () => {
  it.each([
    'postgresql:///fixture?host=DIR&user=USER',
    'postgresql://USER@/fixture?host=DIR',
    'postgresql://USER@DIR/fixture',
  ])('is reached by %s', async (address) => {
    const { hostname, port, username } = new URL(postgres.url('fixture'));
    const dir = mkdtempSync(join(tmpdir(), 'pavane-socket-'));
    const socket = createServer((near) => {
      const far = connect(Number(port), hostname);
      // Who closes first resets the other.
      for (const end of [near, far]) end.on('error', () => undefined);
      near.pipe(far).pipe(near);
    }).listen(join(dir, '.s.PGSQL.5432'));
    await once(socket, 'listening');
    const DATABASE_URL = address.replace('DIR', encodeURIComponent(dir)).replace('USER', username);
    const config = loadConfig(ServiceConfig, { DATABASE_URL, NATS_URL: 'nats://h' });
    const pool = createPool(config, 'fixture', 1);
    expect((await pool.query('SELECT current_database() AS name')).rows).toEqual([{ name: 'fixture' }]);
    await pool.end();
    socket.close();
    rmSync(dir, { recursive: true });
  });
});

/** A way to the database that can stop carrying anything while both ends believe it open. */
async function linkTo(target: string) {
  const { hostname, port } = new URL(target);
  const sockets: Socket[] = [];
  let stalled = false;
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.push(from);
      from.on('error', () => undefined);
      from.on('data', (chunk) => stalled || to.write(chunk));
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return {
    url: url.href,
    stall: () => void (stalled = true),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
