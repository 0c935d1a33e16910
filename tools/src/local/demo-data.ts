import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Service } from '@pavane/contracts';
import { Client } from 'pg';
import { ROOT } from './settings.js';

/**
 * Puts a service's demo data (`prisma/seed.sql`) into its database, unless that was done there before: what was deleted
 * or sold since stays so. Resolves to whether it did anything.
 */
export async function seedService(service: Service, url: string): Promise<boolean> {
  const sql = await readFile(join(ROOT, 'apps', service, 'prisma/seed.sql'), 'utf8').catch(() => undefined);
  return sql !== undefined && (await seedOnce(url, sql));
}

// Any number that nothing else in these databases locks.
const SEED_LOCK = 72_707_370;

/** Runs `sql` in a database that has no record of an earlier run, and records it in the same transaction. */
export async function seedOnce(url: string, sql: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  // A connection that is lost is reported by the statement that is under way.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('begin');
    await client.query('select pg_advisory_xact_lock($1)', [SEED_LOCK]);
    // In a schema of its own: the service's own is compared with its schema.prisma.
    await client.query('create schema if not exists demo');
    await client.query('create table if not exists demo.seeded (at timestamptz not null)');
    const { rowCount } = await client.query(
      'insert into demo.seeded select now() where not exists (select from demo.seeded)',
    );
    if (rowCount === 1) await client.query(sql);
    await client.query('commit');
    return rowCount === 1;
  } finally {
    await client.end();
  }
}
