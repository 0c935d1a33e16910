import type { Service } from '@pavane/contracts';
import { type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { Client, type QueryResultRow } from 'pg';
import { seedOnce } from './demo-data.js';
import { migrateAll } from './migrations.js';
import { SERVICES } from './settings.js';

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
const urls = () => Object.fromEntries(SERVICES.map((s) => [s, postgres.url(s)])) as Record<Service, string>;
const products = 'SELECT count(*)::int AS n FROM products';

it('is in no database that is only migrated', async () => {
  await migrateAll(urls());
  expect(await query(urls().order, products)).toEqual([{ n: 0 }]);
});

it('is sown once in a database: a product that was deleted does not come back', async () => {
  const told: [string, string][] = [];
  const onDone = (service: string, done: string[]) => told.push([service, done.join()]);
  await migrateAll(urls(), { seed: true, onDone });
  expect(await query(urls().order, products)).toEqual([{ n: 5 }]);
  expect(told.filter(([, done]) => done === 'demo data').map(([service]) => service)).toEqual(
    expect.arrayContaining(['order', 'inventory']),
  );
  await query(urls().order, "DELETE FROM products WHERE sku = 'TEAPOT'");
  await migrateAll(urls(), { seed: true });
  expect(await query(urls().order, products)).toEqual([{ n: 4 }]);
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
