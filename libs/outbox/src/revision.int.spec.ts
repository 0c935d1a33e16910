import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { Pool } from 'pg';
import { REVISION, revisionProblem } from './revision.js';

const SQL = new URL('../sql/', import.meta.url);
const files = readdirSync(SQL).sort();
const textOf = (file: string) => readFileSync(new URL(file, SQL), 'utf8');

let postgres: PostgresServer;
let pool: Pool;
beforeAll(async () => {
  postgres = await startPostgres({ databases: ['revisions'] });
  pool = new Pool({ connectionString: postgres.url('revisions') });
}, 60_000);
afterAll(async () => {
  await pool?.end();
  await postgres?.[Symbol.asyncDispose]();
});

describe('the schema of inbox and outbox', () => {
  it('says its revision, and what to do below the one that is needed', async () => {
    expect(files).toHaveLength(REVISION);
    expect(await revisionProblem(pool)).toBe(
      'it has no inbox and outbox, and revision 2 is needed; run "npm run generate" and "npm run migrate"',
    );
    for (const [before, file] of files.entries()) {
      if (before > 0) expect(await revisionProblem(pool)).toMatch(new RegExp(`^it has revision ${before} of `));
      await pool.query(textOf(file));
    }
    expect(await revisionProblem(pool)).toBeUndefined();
  });

  it('may be ahead of the code, as after a roll back', async () => {
    await pool.query('CREATE OR REPLACE FUNCTION messaging.revision() RETURNS integer LANGUAGE sql RETURN 99');
    expect(await revisionProblem(pool)).toBeUndefined();
  });

  // A revision that is out stays as it is: databases have it. Add a file and its checksum for the next one.
  it.each([
    ['20261121000000_messaging.sql', 'c4c483efb7800d10c5c1234b969eb0b3f623557455b620a18ad0cd3cb745ba52'],
    ['20261130000000_messaging_revision_2.sql', 'da3ff1bc516ac489d9338e90da40f6f4993f6034e4aa2e59ef43697c6b7c67d8'],
  ])('was not changed after its release: %s', (file, checksum) => {
    expect(createHash('sha256').update(textOf(file)).digest('hex')).toBe(checksum);
  });
});
