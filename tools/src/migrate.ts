import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openSession } from '@pavane/outbox/session';
import { Client, DatabaseError, escapeIdentifier } from 'pg';

/** A file that was applied before reads differently now, so the database is not what the files say. */
export class MigrationChanged extends Error {
  readonly code = 'MIGRATION_CHANGED';

  constructor(readonly migration: string) {
    super(
      `Migration ${migration} was changed after it had been applied. Put the file back as it was, and make the change in a new migration.`,
    );
    this.name = 'MigrationChanged';
  }
}

/** A migration did not run. Nothing of it was kept; the ones before it stay applied. */
export class MigrationFailed extends Error {
  readonly code = 'MIGRATION_FAILED';

  constructor(
    readonly migration: string,
    reason: string,
    options?: ErrorOptions,
  ) {
    super(`Migration ${migration} failed: ${reason}`, options);
    this.name = 'MigrationFailed';
  }
}

const CONNECT_MS = 10_000;

// The advisory lock that Prisma's own engine takes, so that neither runs beside the other.
const PRISMA_LOCK = 72_707_369;

// As Prisma's engine writes it: `prisma migrate status` reads this table.
const LEDGER = `create table if not exists _prisma_migrations (
  id                  varchar(36)  primary key not null,
  checksum            varchar(64)  not null,
  finished_at         timestamptz,
  migration_name      varchar(255) not null,
  logs                text,
  rolled_back_at      timestamptz,
  started_at          timestamptz  not null default now(),
  applied_steps_count integer      not null default 0
)`;

/**
 * Applies the migrations in `dir` (one folder each, with a `migration.sql`) that the database does not have, in the
 * order of their names, one transaction each, and resolves to their names. Creates the database when it is missing.
 * Safe to run in several places at once. Keeps the same ledger as Prisma's CLI and can take turns with it.
 */
export async function migrate(url: string, dir: string): Promise<string[]> {
  const files = await migrationsIn(dir);
  const client = await connectOrCreate(url);
  try {
    await client.query('select pg_advisory_lock($1)', [PRISMA_LOCK]);
    await client.query(LEDGER);
    const known = await ledgerOf(client);
    const applied: string[] = [];
    for (const file of files) {
      const checksum = known.get(file.name);
      if (checksum === undefined) {
        await applyOne(client, file);
        applied.push(file.name);
      } else if (checksum !== file.checksum) throw new MigrationChanged(file.name);
    }
    return applied;
  } finally {
    await client.end(); // and with the session, its lock
  }
}

interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

async function migrationsIn(dir: string): Promise<Migration[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return await Promise.all(
    names.toSorted().map(async (name) => {
      const sql = await readFile(join(dir, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

async function connectOrCreate(url: string): Promise<Client> {
  try {
    return await connect(url);
  } catch (error) {
    if (!isSqlState(error, ['3D000'])) throw error;
  }
  const target = new URL(url);
  const name = decodeURIComponent(target.pathname.slice(1));
  target.pathname = '/postgres';
  const admin = await connect(target.href);
  try {
    await admin.query(`create database ${escapeIdentifier(name)}`);
  } catch (error) {
    // Made by somebody else at the same moment: "duplicate database", or the index on names noticed it first.
    if (!isSqlState(error, ['42P04', '23505'])) throw error;
  } finally {
    await admin.end();
  }
  return await connect(url);
}

async function connect(url: string): Promise<Client> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_MS });
  // A connection that is lost is reported by the statement that is under way.
  client.on('error', () => undefined);
  try {
    await client.connect();
    // As the services' own sessions, which look for the tables where these are made.
    await openSession(client, { withinMs: CONNECT_MS });
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    if (error instanceof DatabaseError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(
      `PostgreSQL could not be reached at ${new URL(url).host} (${message || code}); is it running, and there?`,
      { cause: error },
    );
  }
}

/** Checksums of what is applied, by name. */
async function ledgerOf(client: Client): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; checksum: string; finished: boolean }>(
    `select migration_name as name, checksum, finished_at is not null as finished
       from _prisma_migrations where rolled_back_at is null order by started_at`,
  );
  const unfinished = rows.find((row) => !row.finished);
  if (unfinished)
    throw new MigrationFailed(
      unfinished.name,
      'an earlier attempt is recorded that did not finish. Mend the database, then mark it with `prisma migrate resolve`.',
    );
  return new Map(rows.map((row) => [row.name, row.checksum]));
}

async function applyOne(client: Client, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('begin');
  try {
    await client.query(sql);
    await client.query(
      `insert into _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
       values ($1, $2, $3, clock_timestamp(), 1)`,
      [randomUUID(), checksum, name],
    );
    await client.query('commit');
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw new MigrationFailed(name, reasonOf(error, sql), { cause: error });
  }
}

function reasonOf(error: unknown, sql: string): string {
  if (!(error instanceof DatabaseError))
    return `${(error as Error).message}. Nothing of it was kept; migrate again once PostgreSQL is well.`;
  const line = error.position === undefined ? '' : ` (line ${sql.slice(0, Number(error.position)).split('\n').length})`;
  const more = [error.detail, error.hint].filter(Boolean).map((said) => ` ${said}`);
  return `${error.message}${line}.${more.join('')} Nothing of it was kept: correct the file, or what it meets in the database, and migrate again.`;
}

function isSqlState(error: unknown, codes: readonly string[]): boolean {
  return error instanceof DatabaseError && error.code !== undefined && codes.includes(error.code);
}

const HELP = `Usage: node tools/dist/migrate.js --dir <prisma/migrations> [--url <postgres://…>]

Applies the migrations that the database does not have yet, and creates the database when it is missing.
--url defaults to DATABASE_URL.`;

if (import.meta.main) {
  const { values } = parseArgs({
    options: { url: { type: 'string' }, dir: { type: 'string' }, help: { type: 'boolean' } },
  });
  const url = values.url ?? process.env['DATABASE_URL'];
  if (values.help) console.log(HELP);
  else if (url === undefined || values.dir === undefined) {
    console.error(HELP);
    process.exitCode = 2;
  } else {
    try {
      const applied = await migrate(url, values.dir);
      console.log(applied.length === 0 ? 'Nothing to apply' : `Applied ${applied.join(', ')}`);
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
      process.exitCode = 1;
    }
  }
}
