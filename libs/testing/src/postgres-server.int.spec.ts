import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { Client, type QueryResultRow } from 'pg';
import { startPostgres } from './postgres-server.js';

const kept = mkdtempSync(join(tmpdir(), 'pavane-spec-'));
chmodSync(kept, 0o755);
afterAll(() => rmSync(kept, { recursive: true, force: true }));

describe('startPostgres', () => {
  it('is PostgreSQL 18 with the databases asked for, and removes its directory when disposed', async () => {
    let dir: string;
    {
      await using postgres = await startPostgres({ databases: ['order', 'payment'] });
      dir = postgres.dir;
      expect(await rows(postgres.url('payment'), 'select current_database() as name')).toEqual([{ name: 'payment' }]);
      expect(await rows(postgres.url(), 'show server_version')).toEqual([
        { server_version: expect.stringMatching(/^18\./) },
      ]);
    }
    expect(existsSync(dir)).toBe(false);
  });

  it('clones a database from a template', async () => {
    await using postgres = await startPostgres({ databases: ['template'] });
    await rows(postgres.url('template'), 'create table t as select 1 as n');
    const url = await postgres.createDatabase('a "quoted" name', { template: 'template' });
    expect(url).toBe(postgres.url('a "quoted" name'));
    expect(await rows(url, 'select n from t')).toEqual([{ n: 1 }]);
  });

  it('keeps what was committed over SIGKILL and restart, on the same port', async () => {
    await using postgres = await startPostgres();
    const { port } = postgres;
    await rows(postgres.url(), 'create table t as select 1 as n');
    const session = new Client({ connectionString: postgres.url() });
    session.on('error', () => undefined);
    await session.connect();

    await postgres.restart('SIGKILL');

    expect(postgres.port).toBe(port);
    expect(await rows(postgres.url(), 'select n from t')).toEqual([{ n: 1 }]);
    await session.end();
  });

  it('starts although a crash left a pid file whose number another program has by now', async () => {
    await using postgres = await startPostgres();
    await postgres.stop('SIGKILL');
    writeFileSync(join(postgres.dir, 'data', 'postmaster.pid'), `${process.ppid}\n${postgres.dir}/data\n`);
    await postgres.restart();
    expect(postgres.running).toBe(true);
  });

  it('keeps a directory it was given with its password, and refuses to run on it twice', async () => {
    const dir = join(kept, 'data-stays');
    const password = 'p@ss word';
    {
      await using postgres = await startPostgres({ dir, password, databases: ['order'] });
      await rows(postgres.url('order'), 'create table t as select 1 as n');
      await expect(startPostgres({ dir, readyWithinMs: 1 })).rejects.toThrow('already runs on');
    }
    await using postgres = await startPostgres({ dir, password, databases: ['order'] });
    expect(await rows(postgres.url('order'), 'select n from t')).toEqual([{ n: 1 }]);
    const stranger = postgres.url().replace(encodeURIComponent(password), 'guess');
    await expect(rows(stranger, 'select 1')).rejects.toThrow('password authentication failed');
    expect(await rows(postgres.url(), 'show fsync')).toEqual([{ fsync: 'on' }]);
  });

  it('keeps data of a directory that its account cannot reach, until that directory is removed', async () => {
    const closed = join(kept, 'closed');
    const dir = join(closed, 'clone', 'postgres');
    spawnSync('mkdir', ['-p', '-m', '700', closed]);
    let data: string;
    {
      await using postgres = await startPostgres({ dir });
      data = postgres.dir;
      await rows(postgres.url(), 'create table t as select 1 as n');
    }
    {
      await using postgres = await startPostgres({ dir });
      expect(await rows(postgres.url(), 'select n from t')).toEqual([{ n: 1 }]);
    }
    rmSync(dir, { recursive: true });
    {
      await using postgres = await startPostgres({ dir });
      await expect(rows(postgres.url(), 'select n from t')).rejects.toThrow('does not exist');
    }
    rmSync(data, { recursive: true, force: true });
  });

  it('gives up durability only for data that goes away', async () => {
    await expect(startPostgres({ dir: join(kept, 'unsafe'), durable: false })).rejects.toThrow(TypeError);
    await using postgres = await startPostgres();
    expect(await rows(postgres.url(), 'show fsync')).toEqual([{ fsync: 'off' }]);
    expect(await rows(postgres.url(), 'show synchronous_commit')).toEqual([{ synchronous_commit: 'on' }]);
  });

  it('says which port is busy', async () => {
    await using postgres = await startPostgres();
    await expect(startPostgres({ port: postgres.port })).rejects.toMatchObject({
      code: 'PORT_BUSY',
      port: postgres.port,
    });
  });

  it('fails with the end of the log when a setting is wrong', async () => {
    await expect(startPostgres({ settings: { max_connections: 'many' } })).rejects.toMatchObject({
      code: 'SERVER_FAILED',
      message: expect.stringContaining('max_connections'),
    });
  });
});

async function rows(connectionString: string, text: string): Promise<QueryResultRow[]> {
  const client = new Client({ connectionString });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<QueryResultRow>(text)).rows;
  } finally {
    await client.end();
  }
}
