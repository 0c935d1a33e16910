import { type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { Client, type Pool } from 'pg';
import { ServiceConfig } from './config.js';
import { createPool } from './database.js';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres({ databases: ['fixture'] });
}, 60_000);
afterAll(() => postgres?.[Symbol.asyncDispose]());

const poolOn = (url: string): Pool => createPool(Object.assign(new ServiceConfig(), { DATABASE_URL: url }), 'fixture');

/** Runs statements as the administrator of a database. */
async function administer(url: string, ...statements: string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

describe('a database with defaults of its own', () => {
  const DEFAULTS = {
    DateStyle: `'SQL, DMY'`,
    IntervalStyle: 'sql_standard',
    TimeZone: `'America/St_Johns'`,
    search_path: 'elsewhere',
    standard_conforming_strings: 'off',
    bytea_output: 'escape',
    extra_float_digits: '-10',
    default_transaction_isolation: 'serializable',
  };
  const results = async (url: string) => {
    const pool = poolOn(url);
    try {
      const { rows } = await pool.query(
        `SELECT timestamptz '2026-02-01T12:00:00Z' AS moment, '02/01/2026'::date::text AS day,
           interval '1 day 02:00' ::text AS span, now()::text LIKE '%+00' AS utc, 'a\\b' AS backslash, 'x'::bytea::text AS bytes,
           (1::float / 3)::text AS third, (SELECT count(*)::int FROM things) AS things,
           current_setting('transaction_isolation') AS isolation, current_setting('statement_timeout') AS timeout`,
      );
      return rows[0] as unknown;
    } finally {
      await pool.end();
    }
  };

  it('gives the same results as one without', async () => {
    const plain = postgres.url('fixture');
    await administer(plain, 'CREATE TABLE things (id int)', 'INSERT INTO things VALUES (1)');
    const expected = {
      moment: new Date('2026-02-01T12:00:00Z'),
      day: '2026-02-01',
      span: '1 day 02:00:00',
      utc: true,
      backslash: 'a\\b',
      bytes: '\\x78',
      third: '0.3333333333333333',
      things: 1,
      isolation: 'read committed',
      timeout: '10s',
    };
    expect(await results(plain)).toEqual(expected);
    const odd = await postgres.createDatabase('odd', { template: 'fixture' });
    await administer(
      odd,
      'CREATE SCHEMA elsewhere',
      'CREATE TABLE elsewhere.things ()',
      ...Object.entries(DEFAULTS).map(([name, value]) => `ALTER DATABASE odd SET ${name} = ${value}`),
    );
    expect(await results(odd)).toEqual(expected);
  });
});
