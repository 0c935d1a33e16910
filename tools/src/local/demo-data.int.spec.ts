import { type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { Client, type QueryResultRow } from 'pg';
import { seedOnce, seedService } from './demo-data.js';
import { migrateService } from './migrations.js';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres?.[Symbol.asyncDispose]());

async function query(url: string, text: string): Promise<QueryResultRow[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<QueryResultRow>(text)).rows;
  } finally {
    await client.end();
  }
}
const products = 'SELECT count(*)::int AS n FROM products';

it('is in no database that is only migrated', async () => {
  const url = postgres.url('order');
  await migrateService('order', url);
  expect(await query(url, products)).toEqual([{ n: 0 }]);
});

it('is sown once in a database: a product that was deleted does not come back', async () => {
  const url = postgres.url('order');
  await migrateService('order', url);
  expect(await seedService('order', url)).toBe(true);
  expect(await query(url, products)).toEqual([{ n: 5 }]);
  await query(url, "DELETE FROM products WHERE sku = 'TEAPOT'");
  await migrateService('order', url);
  expect(await seedService('order', url)).toBe(false);
  expect(await query(url, products)).toEqual([{ n: 4 }]);
});

it('is sown once however many ask at the same moment', async () => {
  const url = await postgres.createDatabase('together');
  await query(url, 'CREATE TABLE shelves (sku text)');
  const asked = await Promise.all([1, 2, 3, 4].map(() => seedOnce(url, "INSERT INTO shelves VALUES ('CUP')")));
  expect(asked.filter(Boolean)).toHaveLength(1);
  expect(await query(url, 'SELECT count(*)::int AS n FROM shelves')).toEqual([{ n: 1 }]);
});

it('is not taken for sown where it failed', async () => {
  const url = await postgres.createDatabase('failed');
  await expect(seedOnce(url, 'INSERT INTO nowhere VALUES (1)')).rejects.toThrow('nowhere');
  expect(await seedOnce(url, 'CREATE TABLE nowhere (id int)')).toBe(true);
});

it('is nothing for a service that has none', async () => {
  const url = postgres.url('payment');
  await migrateService('payment', url);
  expect(await seedService('payment', url)).toBe(false);
});
