import type { Tx } from './database.js';

/** The revision of inbox and outbox in the database that this version needs: the number of files in `sql/`. */
export const REVISION = 2;

/** Why this version cannot work with the inbox and the outbox of a database, and what to do; undefined when it can. */
export async function revisionProblem(db: Tx): Promise<string | undefined> {
  const found = await revisionOf(db);
  if (found >= REVISION) return undefined;
  const what = found === 0 ? 'has no inbox and outbox' : `has revision ${found} of inbox and outbox`;
  return `it ${what}, and revision ${REVISION} is needed; run "npm run generate" and "npm run migrate"`;
}

async function revisionOf(db: Tx): Promise<number> {
  const { rows } = await db.query<{ there: boolean; numbered: boolean }>(
    `SELECT to_regclass('messaging.outbox') IS NOT NULL AS there, to_regprocedure('messaging.revision()') IS NOT NULL AS numbered`,
  );
  const { there, numbered } = rows[0]!;
  // Revision 1 could not say what it is.
  if (!there || !numbered) return there ? 1 : 0;
  return (await db.query<{ revision: number }>('SELECT messaging.revision() AS revision')).rows[0]!.revision;
}
