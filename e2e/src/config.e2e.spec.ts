import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { type Service, topology } from '@pavane/contracts';
import { apply } from '@pavane/jetstream/provisioning';
import { eventually, freePort, type NatsServer, type PostgresServer, startNats, startPostgres } from '@pavane/testing';
import { ROOT, SERVICES } from '@pavane/tools';

jest.setTimeout(60_000);

/** A service on its own, as an operator would start it. */
function start(service: string, env: Record<string, string>) {
  const child = spawn(
    process.execPath,
    ['--import', '@pavane/service/register', '--import', '@pavane/telemetry/register', 'dist/main.js'],
    {
      cwd: join(ROOT, 'apps', service),
      env: { PATH: process.env['PATH'] ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()));
  const exited = once(child, 'close').then(([code]) => code as number | null);
  return { said, exited, end: (signal: NodeJS.Signals) => (child.kill(signal), exited) };
}

const WRONG = {
  PORT: 'eighty',
  DATABASE_URL: 'mysql://root:hunter2@127.0.0.1/x',
  LOG_LEVEL: 'loud',
  SHUTDOWN_DEADLINE: 'soon',
  DATABASE_POOL: '0',
  NATS_NKEY_FILE: '/nowhere/service.nk',
  NATS_CA_FILE: '/nowhere/ca.pem',
};
/** Of a service's own variables those that are set and wrong, and those that are not set at all. */
const OWN: Partial<Record<Service, { wrong: Record<string, string>; missing: string[] }>> = {
  order: { wrong: { ORDER_DEADLINE: 'a while' }, missing: [] },
  payment: { wrong: { PROVIDER_API: 'guess', PROVIDER_TIMEOUT: 'x' }, missing: ['PROVIDER_URL'] },
  notification: { wrong: { SMTP_URL: 'http://nowhere' }, missing: ['MAIL_FROM'] },
};

describe.each(SERVICES)('%s with an environment that makes no sense', (service) => {
  it('says everything that is wrong in one error, with an example for each, and exits with 78', async () => {
    const { wrong: own, missing } = OWN[service] ?? { wrong: {}, missing: [] };
    const { said, exited } = start(service, { ...WRONG, ...own });
    expect(await exited).toBe(78);
    const wrong = [...Object.keys({ ...WRONG, ...own }), 'NATS_URL', ...missing];
    for (const name of wrong) expect(said.err).toMatch(new RegExp(`^ +${name} is `, 'm'));
    expect(said.err).toContain(`${wrong.length} environment variables are missing or not usable`);
    expect(said.err).toContain('NATS_URL is missing');
    expect(said.err.match(/example: /g)).toHaveLength(wrong.length);
    expect(said.err + said.out).not.toContain('hunter2');
    // One error, and no stack of anything.
    expect(said.err).not.toMatch(/^\s+at /m);
    expect(said.out).toBe('');
  });
});

describe('a service whose servers are not as they must be', () => {
  let nats: NatsServer;
  let postgres: PostgresServer;
  beforeAll(async () => {
    [nats, postgres] = await Promise.all([startNats(), startPostgres({ databases: ['inventory'] })]);
  });
  afterAll(async () => {
    await nats?.[Symbol.asyncDispose]();
    await postgres?.[Symbol.asyncDispose]();
  });

  it('is unready while streams or tables are missing and names the commands that make them; it needs no restart afterwards', async () => {
    const port = await freePort();
    const service = start('inventory', {
      PORT: `${port}`,
      HOST: '127.0.0.1',
      NATS_URL: nats.url,
      DATABASE_URL: postgres.url('inventory'),
    });
    const ask = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}/health/${path}`);
      return { status: response.status, text: await response.text() };
    };
    try {
      await eventually(async () => {
        const { status, text } = await ask('ready');
        expect(status).toBe(503);
        expect(text).toMatch(/Stream 'SAGA' .* does not exist.*npm run topology -- apply/);
      });
      expect(await ask('live')).toMatchObject({ status: 200 });
      expect(service.said.out + service.said.err).toMatch(/npm run topology -- apply/);
      const nc = await connect({ servers: nats.url });
      await apply(nc, topology());
      await nc.close();
      await eventually(async () =>
        expect(JSON.parse((await ask('ready')).text)).toMatchObject({
          reasons: [expect.stringMatching(/^database: it lacks 3 migrations.*run "npm run migrate"/)],
        }),
      );
      await promisify(execFile)(process.execPath, [
        join(ROOT, 'tools/dist/migrate.js'),
        ...['--url', postgres.url('inventory'), '--dir', join(ROOT, 'apps/inventory/prisma/migrations')],
      ]);
      await eventually(async () => expect(await ask('ready')).toMatchObject({ status: 200 }));
    } finally {
      expect(await service.end('SIGTERM')).toBe(0);
    }
  });

  it('a busy port is one clear error', async () => {
    const port = Number(new URL(nats.monitorUrl).port);
    const { said, exited } = start('inventory', {
      PORT: `${port}`,
      HOST: '127.0.0.1',
      NATS_URL: nats.url,
      DATABASE_URL: postgres.url('inventory'),
    });
    expect(await exited).toBe(1);
    expect(said.err).toMatch(new RegExp(`127\\.0\\.0\\.1:${port}: the port is in use`));
  });

  it('starts and waits, alive, while neither of them is there', async () => {
    const [port, nowhere] = [await freePort(), await freePort()];
    const service = start('inventory', {
      PORT: `${port}`,
      HOST: '127.0.0.1',
      NATS_URL: `nats://127.0.0.1:${nowhere}`,
      DATABASE_URL: `postgresql://postgres@127.0.0.1:${nowhere}/inventory`,
    });
    try {
      await eventually(async () => {
        const response = await fetch(`http://127.0.0.1:${port}/health/ready`);
        const { reasons } = (await response.json()) as { reasons: string[] };
        expect(response.status).toBe(503);
        expect(reasons).toEqual(
          expect.arrayContaining([expect.stringMatching(/^database: /), expect.stringMatching(/NATS_URL/)]),
        );
      });
      expect((await fetch(`http://127.0.0.1:${port}/health/live`)).status).toBe(200);
    } finally {
      expect(await service.end('SIGTERM')).toBe(0);
    }
  });
});
