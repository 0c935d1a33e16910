import { readdirSync } from 'node:fs';
import type { Tx } from '@pavane/outbox';

/** Names of the migrations in a folder, oldest first: what a database must have for the code beside it. */
export function migrationsIn(dir: URL): string[] {
  const entries = readdirSync(dir, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).sort();
}

/** Which of these migrations the database lacks, and what to do; undefined when it has them all. Others do no harm. */
export async function migrationProblem(db: Tx, names: readonly string[]): Promise<string | undefined> {
  if (names.length === 0) return undefined;
  const applied = await appliedTo(db);
  const missing = names.filter((name) => !applied.has(name));
  if (missing.length === 0) return undefined;
  const what = missing.length === 1 ? 'the migration' : `${missing.length} migrations, the first of them`;
  return `it lacks ${what} ${missing[0]}; run "npm run migrate"`;
}

/** By the ledger that Prisma keeps. */
async function appliedTo(db: Tx): Promise<Set<string>> {
  const { rows } = await db.query<{ there: boolean }>(`SELECT to_regclass('_prisma_migrations') IS NOT NULL AS there`);
  if (!rows[0]!.there) return new Set();
  const ledger = await db.query<{ name: string }>(
    `SELECT migration_name AS name FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`,
  );
  return new Set(ledger.rows.map(({ name }) => name));
}
