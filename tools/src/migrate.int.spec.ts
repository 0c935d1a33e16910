import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type PostgresServer, RUN_FROM_SOURCE, startPostgres } from '@pavane/testing';
import { Client, type QueryResultRow } from 'pg';
import { migrate } from './migrate.js';

const CREATE = 'create table orders (id int primary key);\ninsert into orders values (1);\n';

let postgres: PostgresServer;
let dir: string;
let url: string;
let databases = 0;
const root = mkdtempSync(join(tmpdir(), 'pavane-spec-'));

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(() => {
  dir = mkdtempSync(join(root, 'migrations-'));
  url = postgres.url(`db ${databases++}`);
  writeFileSync(join(dir, 'migration_lock.toml'), 'provider = "postgresql"\n');
});

describe('migrate', () => {
  it('creates the missing database, applies what is new in order of name, and nothing twice', async () => {
    write('2_add', 'alter table orders add column total int not null default 0');
    write('1_create', CREATE);
    expect(await migrate(url, dir)).toEqual(['1_create', '2_add']);
    expect(await migrate(url, dir)).toEqual([]);
    write('3_more', 'insert into orders values (2)');
    expect(await migrate(url, dir)).toEqual(['3_more']);
    expect(await rows('select id, total from orders order by id')).toEqual([
      { id: 1, total: 0 },
      { id: 2, total: 0 },
    ]);
  });

  it('makes tables where the services look for them, whatever the search path of the database is', async () => {
    write('1_create', CREATE);
    await migrate(url, dir);
    await rows('create schema elsewhere');
    await rows(
      `do $$ begin execute format('alter database %I set search_path = elsewhere', current_database()); end $$`,
    );
    write('2_more', 'create table more (id int)');
    expect(await migrate(url, dir)).toEqual(['2_more']);
    expect(await rows(`select table_schema as made from information_schema.tables where table_name = 'more'`)).toEqual([
      { made: 'public' },
    ]);
  });

  it("records what Prisma's own ledger records", async () => {
    write('1_create', CREATE);
    await migrate(url, dir);
    expect(await rows('select * from _prisma_migrations')).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        checksum: createHash('sha256').update(CREATE).digest('hex'),
        finished_at: expect.any(Date),
        migration_name: '1_create',
        logs: null,
        rolled_back_at: null,
        started_at: expect.any(Date),
        applied_steps_count: 1,
      },
    ]);
  });

  it('runs in two places at once and applies everything once', async () => {
    write('1_create', `${CREATE}select pg_sleep(0.2);`);
    write('2_more', 'insert into orders values (2)');
    const both = await Promise.all([migrate(url, dir), migrate(url, dir)]);
    expect(both.toSorted((one, other) => other.length - one.length)).toEqual([['1_create', '2_more'], []]);
    expect(await rows('select count(*)::int as n from orders')).toEqual([{ n: 2 }]);
  });

  it('refuses to go on when a migration was changed after it had been applied', async () => {
    write('1_create', CREATE);
    await migrate(url, dir);
    write('1_create', `${CREATE}-- changed`);
    write('2_more', 'insert into orders values (2)');
    await expect(migrate(url, dir)).rejects.toMatchObject({
      code: 'MIGRATION_CHANGED',
      migration: '1_create',
      message: expect.stringContaining('1_create was changed after it had been applied'),
    });
    expect(await rows('select count(*)::int as n from orders')).toEqual([{ n: 1 }]);
  });

  it('keeps nothing of a migration that fails, and says where it failed', async () => {
    write('1_create', CREATE);
    write('2_broken', 'insert into orders values (2);\ninsert into order values (3);\n');
    await expect(migrate(url, dir)).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      migration: '2_broken',
      message: expect.stringMatching(/2_broken failed: syntax error .*\(line 2\)/),
    });
    expect(await rows('select count(*)::int as n from orders')).toEqual([{ n: 1 }]);
    write('2_broken', 'insert into orders values (2)');
    expect(await migrate(url, dir)).toEqual(['2_broken']);
  });

  it('leaves alone what was applied and is in no file any more, as an older release must', async () => {
    write('1_create', CREATE);
    write('2_more', 'insert into orders values (2)');
    await migrate(url, dir);
    rmSync(join(dir, '2_more'), { recursive: true });
    expect(await migrate(url, dir)).toEqual([]);
  });

  it('is a command that says what it did, and fails with 1 and the reason', () => {
    write('1_create', CREATE);
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [...RUN_FROM_SOURCE, join(import.meta.dirname, 'migrate.ts'), ...args], {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'] },
      });
    expect(run('--url', url, '--dir', dir)).toMatchObject({ status: 0, stdout: 'Applied 1_create\n' });
    expect(run('--url', url, '--dir', dir)).toMatchObject({ status: 0, stdout: 'Nothing to apply\n' });
    write('1_create', 'select 1');
    expect(run('--url', url, '--dir', dir)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('changed after'),
    });
    expect(run('--dir', dir)).toMatchObject({ status: 2, stderr: expect.stringContaining('Usage') });
  });
});

function write(name: string, sql: string): void {
  mkdirSync(join(dir, name), { recursive: true });
  writeFileSync(join(dir, name, 'migration.sql'), sql);
}

async function rows(text: string): Promise<QueryResultRow[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<QueryResultRow>(text)).rows;
  } finally {
    await client.end();
  }
}
