import { Pool } from 'pg';
import { CounterDatabases } from './counter.fixture.js';
import { isAway, transaction } from './database.js';
import { openSession } from './session.js';

let databases: CounterDatabases;
beforeAll(async () => {
  databases = await CounterDatabases.start();
}, 60_000);
afterAll(() => databases?.[Symbol.asyncDispose]());

const write = (pool: Pool) =>
  transaction(pool, async (tx, begun) => {
    await begun;
    await tx.query(`INSERT INTO counters (id, value) VALUES ('a', 1)`);
  });

describe('a session that cannot write', () => {
  it('is thrown away by the first transaction that finds out', async () => {
    const pool = await databases.pool();
    await pool.query('SET default_transaction_read_only = on');
    await expect(write(pool)).rejects.toMatchObject({ code: '25006' });
    expect(pool.totalCount).toBe(0);
    await expect(write(pool)).resolves.toBeUndefined();
  });

  it('is not opened, and counts as a database that is away', async () => {
    const url = await databases.create();
    const admin = await databases.pool(url);
    await admin.query(`ALTER DATABASE "${new URL(url).pathname.slice(1)}" SET default_transaction_read_only = on`);
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it, though its types do not say so
    const pool = new Pool({ connectionString: url, onConnect: (client) => openSession(client, { withinMs: 5000 }) });
    const error: unknown = await pool.query('SELECT 1').catch((reason: unknown) => reason);
    expect((error as Error).message).toBe(
      'it takes no writes, because its sessions are read-only (default_transaction_read_only)',
    );
    expect(isAway(error)).toBe(true);
    expect(pool.totalCount).toBe(0);
    await pool.end();
  });
});
