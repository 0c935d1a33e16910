import type { Pool, PoolClient, QueryResultRow } from 'pg';

/** Injection token of the service's `pg.Pool`; Prisma, stores and the outbox share it. */
export const PG_POOL = Symbol('PG_POOL');

/**
 * What a store may do inside the transaction it is handed: run SQL. A `pg` client fits as it is. In a transaction each text
 * is prepared once per connection and kept, so it must be one of few: values belong into parameters.
 */
export interface Tx {
  // oxlint-disable-next-line typescript/no-explicit-any -- the row type is the caller's knowledge, as in pg itself
  query<Row = any>(text: string, values?: readonly unknown[]): Promise<{ rows: Row[]; rowCount: number | null }>;
}

/** Names of prepared statements, by their text. */
const statements = new Map<string, string>();

/** Has each text prepared once per connection: PostgreSQL would parse and plan a nameless one every time. */
export const prepared = (db: Pool | PoolClient): Tx => ({
  query<Row>(text: string, values: readonly unknown[] = []) {
    let name = statements.get(text);
    if (name === undefined) statements.set(text, (name = `pavane_${statements.size}`));
    return (db as PoolClient).query<Row & QueryResultRow>({ name, text, values: values as unknown[] });
  },
});

/**
 * Runs `work` in one transaction: committed when it resolves, rolled back when it rejects. Statements are sent without
 * waiting for those before them, so the pool must be made with `pipeline: true`; what is only read may be asked for at once,
 * and `begun` must have resolved before anything is written.
 */
export async function transaction<T>(pool: Pool, work: (tx: Tx, begun: Promise<unknown>) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  // A pool listens to idle connections only: one that is lost between two statements would end the process.
  const lost = (error: Error): void => void (broken = error);
  client.on('error', lost);
  try {
    if (!client.pipeline) throw new TypeError('The pool does not pipeline. Make it with { pipeline: true }.');
    const begun = client.query('BEGIN');
    const [result] = await together([work(prepared(client), begun), begun]);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // Its prepared statements would go on failing, or every write would.
    if (isStale(error) || isReadOnly(error)) broken = error as Error;
    await client.query('ROLLBACK').catch((rollback: Error) => (broken = rollback));
    throw error;
  } finally {
    // A connection that could not roll back is in an unknown state: the pool must not hand it out again.
    client.off('error', lost);
    client.release(broken);
  }
}

/**
 * Waits until none of these is at work any more, whatever became of them. Rejects with the first reason that is not just
 * that the transaction had failed before.
 */
export async function together<const T extends readonly Promise<unknown>[]>(
  all: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled = await Promise.allSettled(all);
  const reasons = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  if (reasons.length > 0) {
    const first = reasons.findIndex((reason) => codeOf(reason) !== '25P02');
    throw reasons[Math.max(0, first)];
  }
  return settled.map((one) => (one as PromiseFulfilledResult<unknown>).value) as never;
}

/**
 * Holds these keys until the end of the transaction, and waits for whoever holds one of them now. Rows that do not exist yet
 * cannot be locked, so without it two who first hear of an order at once would both find nothing.
 */
export async function hold(tx: Tx, keys: Iterable<string>): Promise<void> {
  // In sorted order, like every lock here: nobody waits in a circle.
  await tx.query('SELECT pg_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest($1::text[]) AS k (key)', [
    [...new Set(keys)].sort(),
  ]);
}

/** SQLSTATEs, what the network says, and the codes Prisma has for what never reached the database. */
const AWAY =
  /^(08...|53...|57P0.|57014|55P03|ECONN.*|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|P1001|P1002|P1008|P1017|P2024)$/;
const AWAY_MESSAGE =
  /connection terminated|timeout exceeded when trying to connect|query read timeout|client has encountered a connection error|cannot use a pool after/i;

interface Coded {
  code?: unknown;
  meta?: { driverAdapterError?: { cause?: { originalCode?: unknown } } };
}

/** The SQLSTATE, which Prisma wraps in a code that may mean anything, or else the code there is. */
function codeOf(error: unknown): string {
  const { code, meta } = (error ?? {}) as Coded;
  const original = meta?.driverAdapterError?.cause?.originalCode ?? code;
  return typeof original === 'string' ? original : '';
}

/** Whether the database was away or out of resources: the same work may succeed later, and nobody is to blame. */
export const isAway = (error: unknown): boolean =>
  AWAY.test(codeOf(error)) || AWAY_MESSAGE.test((error as Error | null)?.message ?? '');

/** Whether the database gave up on one statement for waiting too long, which says nothing about the next. */
export const isGivenUp = (error: unknown): boolean => ['57014', '55P03'].includes(codeOf(error));

/** Whether a prepared statement no longer fits, because a migration changed what it reads or a pooler forgot it. */
const isStale = (error: unknown): boolean => ['0A000', '26000'].includes(codeOf(error));

/** Whether the session takes no writes: it leads to a server that was the primary, or was made read-only. */
const isReadOnly = (error: unknown): boolean => codeOf(error) === '25006';

/**
 * Whether the same work, done again at once, may succeed: another transaction got in the way, and by then has committed;
 * or a statement has to be prepared anew.
 */
export const isConflict = (error: unknown): boolean =>
  ['40001', '40P01', '23505'].includes(codeOf(error)) || isStale(error);

/** Whether the data itself was refused (SQLSTATE classes 22 and 23): only these single a message out of its set. */
export const isDataError = (error: unknown): boolean => /^(22|23)...$/.test(codeOf(error));

/** Whether a value does not fit its type (SQLSTATE class 22) or breaks a CHECK of its row, which no other transaction can change. */
export const isImpossible = (error: unknown): boolean => /^(22...|23514)$/.test(codeOf(error));
