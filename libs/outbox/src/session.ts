import { randomUUID } from 'node:crypto';
import type { ClientBase, QueryConfig } from 'pg';

/** What a session is set to whatever server, database and role have as their defaults, because results depend on it. */
const SETTINGS: Readonly<Record<string, string>> = {
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  // Where migrations make their tables and Prisma looks for them.
  search_path: 'public',
  standard_conforming_strings: 'on',
  bytea_output: 'hex',
  extra_float_digits: '1',
  default_transaction_isolation: 'read committed',
};

/** What each session was marked with when it was opened. */
const marks = new WeakMap<ClientBase, string>();
const MARK = 'pavane.session';

/** A session cannot write, so it is of no use. Counts as a database that is away. */
export class ReadOnlySession extends Error {
  /** SQLSTATE of a connection that was refused. */
  readonly code = '08004';
  /** As of an error of the server, or Prisma's adapter would take it for a fault of its own. */
  readonly severity = 'FATAL';

  constructor(isStandby: boolean) {
    super(
      isStandby
        ? 'it takes no writes, because this server is a standby; let the address lead to the primary'
        : 'it takes no writes, because its sessions are read-only (default_transaction_read_only)',
    );
    this.name = 'ReadOnlySession';
  }
}

/**
 * Makes a new connection one that can be worked with: sets what results depend on, and `settings` beside it. They are set
 * by a statement and not at the start of the session, where a pooler would refuse them.
 * @throws ReadOnlySession when the session cannot write
 */
export async function openSession(
  client: ClientBase,
  { settings = {}, withinMs }: { settings?: Readonly<Record<string, string>>; withinMs: number },
): Promise<void> {
  const mark = randomUUID();
  const all = Object.entries({ ...SETTINGS, ...settings, [MARK]: mark });
  await ask(
    client,
    'SELECT count(set_config(name, value, false)) FROM unnest($1::text[], $2::text[]) AS s (name, value)',
    [all.map(([name]) => name), all.map(([, value]) => value)],
    withinMs,
  );
  marks.set(client, mark);
  await requireWrites(client, withinMs);
}

/**
 * What is wrong with a session that was opened before, by a write that reaches the disk; undefined when nothing is.
 * Rejects when the database does not answer, and with `ReadOnlySession`.
 */
export async function sessionProblem(client: ClientBase, withinMs: number): Promise<string | undefined> {
  await requireWrites(client, withinMs);
  const [row] = await ask<{ own: boolean }>(
    client,
    `SELECT current_setting($1, true) IS NOT DISTINCT FROM $2 AS own, pg_logical_emit_message(true, 'readiness', '')::text AS at`,
    [MARK, marks.get(client)],
    withinMs,
  );
  return row!.own
    ? undefined
    : 'a pooler in front of it gives each transaction another session, which loses settings and prepared statements; set pool_mode = session there';
}

async function requireWrites(client: ClientBase, withinMs: number): Promise<void> {
  const [row] = await ask<{ readOnly: boolean; standby: boolean }>(
    client,
    `SELECT current_setting('transaction_read_only')::boolean AS "readOnly", pg_is_in_recovery() AS standby`,
    [],
    withinMs,
  );
  if (row!.readOnly) throw new ReadOnlySession(row!.standby);
}

async function ask<Row>(client: ClientBase, text: string, values: unknown[], withinMs: number): Promise<Row[]> {
  // `query_timeout` is read by pg, though its types do not name it here.
  const query = { text, values, query_timeout: withinMs } as QueryConfig;
  return (await client.query(query)).rows as Row[];
}
