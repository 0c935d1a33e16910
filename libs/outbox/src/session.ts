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
  const all = Object.entries({ ...SETTINGS, ...settings });
  const { rows } = await client.query<{ standby: boolean; readOnly: boolean }>({
    text: `SELECT pg_is_in_recovery() AS standby, current_setting('transaction_read_only')::boolean AS "readOnly"
      FROM (SELECT count(set_config(name, value, false)) FROM unnest($1::text[], $2::text[]) AS s (name, value)) AS set`,
    values: [all.map(([name]) => name), all.map(([, value]) => value)],
    // Read by pg, though its types do not name it here.
    query_timeout: withinMs,
  } as QueryConfig);
  if (rows[0]!.readOnly) throw new ReadOnlySession(rows[0]!.standby);
}
