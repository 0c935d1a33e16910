import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Service } from '@pavane/contracts';
import { type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { migrateAll } from './migrations.js';
import { ROOT, SERVICES } from './settings.js';

let postgres: PostgresServer;
const root = mkdtempSync(join(tmpdir(), 'pavane-spec-'));
beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(async () => {
  await postgres?.[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

const migrationsOf = (service: Service): string => join(root, service);
function write(service: Service, name: string, sql: string): void {
  mkdirSync(join(root, service, name), { recursive: true });
  writeFileSync(join(root, service, name, 'migration.sql'), sql);
}
const urls = (url = (service: Service) => postgres.url(service)) =>
  Object.fromEntries(SERVICES.map((service) => [service, url(service)])) as Record<Service, string>;

it('databases whose migrations fail are named with the reason and what to do, once the others are up to date', async () => {
  for (const service of SERVICES) write(service, '1_create', 'create table things (id int primary key);\n');
  await migrateAll(urls(), { migrationsOf });

  write('order', '1_create', 'create table things (id bigint primary key);\n');
  write('payment', '2_more', 'insert into things values (1);\ninsert into things values (1);\n');
  // Settled last, so that whoever does not wait for it is found out.
  write('inventory', '2_more', 'select pg_sleep(0.5);\ncreate table more (id int);\n');
  const done: [Service, string[]][] = [];
  const failing = migrateAll(urls(), { migrationsOf, onDone: (service, what) => done.push([service, what]) });
  await expect(failing).rejects.toMatchObject({
    message: `2 of ${SERVICES.length} databases could not be brought up to date; the others are:
  order: Migration 1_create was changed after it had been applied. Put the file back as it was, and make the change in a new migration.
  payment: Migration 2_more failed: duplicate key value violates unique constraint "things_pkey". Key (id)=(1) already exists. Nothing of it was kept: correct the file, or what it meets in the database, and migrate again.`,
  });
  expect(done).toEqual(
    expect.arrayContaining([
      ['inventory', ['2_more']],
      ['notification', []],
    ]),
  );
});

it('a server that is not there is said to be so, without a stack', async () => {
  const url = 'postgresql://postgres@127.0.0.1:1';
  const env = Object.fromEntries(
    SERVICES.map((service) => [`${service.toUpperCase()}_DATABASE_URL`, `${url}/${service}`]),
  );
  const { code, said } = await new Promise<{ code: unknown; said: string }>((resolve) => {
    execFile(process.execPath, [join(ROOT, 'tools/dist/migrate-all.js')], { env }, (error, out, err) =>
      resolve({ code: error?.code, said: out + err }),
    );
  });
  expect(code).toBe(1);
  expect(said).toMatch(
    /✘ (\d+) of \1 databases .*\n {2}order: PostgreSQL could not be reached at 127\.0\.0\.1:1 \(.*ECONNREFUSED/,
  );
  expect(said).not.toMatch(/\n\s+at /);
});
