import { readdir, readFile } from 'node:fs/promises';
import { Client } from 'pg';

/**
 * Makes a new database what the migrations in `dir` (one folder each, with a `migration.sql`) make of it, in the order of
 * their names. Keeps no ledger: for a database that lives as long as a test.
 */
export async function applyMigrations(url: string, dir: URL): Promise<void> {
  const entries = await readdir(dir, { withFileTypes: true });
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const { name } of entries.filter((e) => e.isDirectory()).sort((a, b) => (a.name < b.name ? -1 : 1)))
      await client.query(await readFile(new URL(`${name}/migration.sql`, dir), 'utf8'));
  } finally {
    await client.end();
  }
}
