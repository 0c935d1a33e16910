import { execFile } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { ROOT, SERVICES } from './local/settings.js';
import { migrate } from './migrate.js';

let postgres: PostgresServer;
beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres?.[Symbol.asyncDispose]());

/** What Prisma would change in a database to make it what `schema.prisma` says. */
function diff(service: string): Promise<{ code: unknown; said: string }> {
  const args = [
    'migrate',
    'diff',
    '--from-config-datasource',
    '--to-schema',
    'prisma/schema.prisma',
    '--exit-code',
    '--script',
  ];
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(ROOT, 'node_modules/prisma/build/index.js'), ...args],
      {
        cwd: join(ROOT, 'apps', service),
        env: {
          // The engine is a script of its own, for the Node this runs on.
          PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
          DATABASE_URL: postgres.url(service),
          PRISMA_SCHEMA_ENGINE_BINARY: join(ROOT, 'tools/schema-engine.mjs'),
          PRISMA_HIDE_UPDATE_MESSAGE: '1',
          CHECKPOINT_DISABLE: '1',
        },
      },
      (error, out, err) => resolve({ code: error ? error.code : 0, said: out + err }),
    );
  });
}

it.each(SERVICES)(
  'the migrations of %s make the tables that its schema.prisma says',
  async (service) => {
    await migrate(postgres.url(service), join(ROOT, 'apps', service, 'prisma/migrations'));
    const { code, said } = await diff(service);
    expect(said).toContain('empty migration');
    expect(code).toBe(0);
  },
  60_000,
);
