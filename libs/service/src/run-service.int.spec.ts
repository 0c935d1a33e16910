import { get } from 'node:http';
import { connect as tcp } from 'node:net';
import { networkInterfaces } from 'node:os';
import { once } from 'node:events';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { toHeaders } from '@pavane/jetstream';
import { clockThatJumps } from '@pavane/testing';
import { freePort, type NatsServer, type PostgresServer, startNats, startPostgres } from '@pavane/testing/servers';
import { Client } from 'pg';
import { FixtureApp } from './fixtures/fixture-app.js';

const DURABLE = 'fixture_things-happened';

const hasIPv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'));

let nats: NatsServer;
let postgres: PostgresServer;
let nc: NatsConnection;
let jsm: JetStreamManager;
let env: Record<string, string>;

beforeAll(async () => {
  [nats, postgres] = await Promise.all([startNats(), startPostgres({ databases: ['fixture'] })]);
  env = { DATABASE_URL: postgres.url('fixture'), NATS_URL: nats.url, PROVIDER_URL: 'http://127.0.0.1:4010' };
  await sql('CREATE TABLE happened (what text NOT NULL)');
  nc = await connect({ servers: nats.url, maxReconnectAttempts: -1 });
  jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: 'SAGA', retention: 'interest', subjects: ['things.happened.*'] });
  await jsm.streams.add({ name: 'DLQ', subjects: ['dlq.>'] });
  await jsm.streams.add({
    name: 'PARKED',
    retention: 'workqueue',
    subjects: ['parked.wait.>', 'parked.due.>'],
    allow_msg_schedules: true,
  });
  await jsm.consumers.add('PARKED', {
    durable_name: `SAGA_${DURABLE}`,
    ack_policy: 'explicit',
    filter_subject: `parked.due.SAGA.${DURABLE}.>`,
  });
  await jsm.consumers.add('SAGA', {
    durable_name: DURABLE,
    filter_subject: 'things.happened.*',
    ack_policy: 'explicit',
    max_deliver: -1,
    ack_wait: 5e9,
  });
}, 120_000);

afterAll(async () => {
  await nc?.close();
  await nats?.[Symbol.asyncDispose]();
  await postgres?.[Symbol.asyncDispose]();
});

describe('a stop', () => {
  it('answers the request and finishes the event in flight, then exits with 0', async () => {
    await using app = await FixtureApp.start(env);
    await app.answers('/health/ready', 200);
    const response = app.get('/slow');
    await publish('slow');
    await app.hears('request entered');
    await app.hears('event entered');

    app.kill('SIGTERM');
    await app.hears('loop stopped');
    await expect(app.get('/health/live')).rejects.toThrow();
    app.send('release');

    const answer = await response;
    expect(answer.status).toBe(200);
    expect(answer.headers.get('connection')).toBe('close');
    expect(await answer.json()).toEqual({ one: 1, deadline: 900_000 });
    expect(await app.ended).toEqual({ code: 0, signal: null });
    expect(app.said).toContain('hooks ran with the database open');
    expect(await sql(`SELECT what FROM happened`)).toEqual([{ what: 'slow' }]);
    const consumer = await jsm.consumers.info('SAGA', DURABLE);
    expect([consumer.num_ack_pending, consumer.num_pending, consumer.num_redelivered]).toEqual([0, 0, 0]);
  });

  it('says so before it stops: unready for the grace period, still serving', async () => {
    await using app = await FixtureApp.start({ ...env, SHUTDOWN_GRACE: '1s' });
    await app.answers('/health/ready', 200);
    app.kill('SIGTERM');
    const report = await (await app.answers('/health/ready', 503)).json();
    expect(report).toMatchObject({ status: 'unready', reasons: ['stopping: no new work is taken'] });
    expect((await app.get('/database')).status).toBe(200);
    expect(await app.ended).toEqual({ code: 0, signal: null });
  });

  it('ends event streams, and does not wait for a connection nobody used', async () => {
    await using app = await FixtureApp.start({ ...env, SHUTDOWN_DEADLINE: '5s' });
    await app.answers('/health/ready', 200);
    const unused = tcp(app.port, '127.0.0.1');
    await once(unused, 'connect');
    const closed = once(unused, 'close');
    const stream = await app.get('/stream');
    app.kill('SIGTERM');
    expect(await stream.text()).toBe('data: hello\n\n');
    await closed;
    expect(await app.ended).toEqual({ code: 0, signal: null });
  });

  it('is cut short by the deadline, naming what still ran, and exits with 1', async () => {
    await using app = await FixtureApp.start({ ...env, SHUTDOWN_DEADLINE: '300ms' });
    await app.answers('/health/ready', 200);
    app.get('/slow').catch(() => undefined);
    await app.hears('request entered');
    app.kill('SIGTERM');
    expect(await app.ended).toEqual({ code: 1, signal: null });
    expect(app.output).toContain('deadline passed before everything was finished');
    expect(app.output).toContain('"running":"finish what is in flight","requests":1');
  });

  it('happens at once at the second signal', async () => {
    await using app = await FixtureApp.start(env);
    await app.answers('/health/ready', 200);
    app.get('/slow').catch(() => undefined);
    await app.hears('request entered');
    app.kill('SIGTERM');
    await app.hears('loop stopped');
    app.kill('SIGTERM');
    expect(await app.ended).toEqual({ code: 143, signal: null });
  });

  it('is what follows an error nobody caught', async () => {
    await using app = await FixtureApp.start(env);
    await app.answers('/health/ready', 200);
    await app.get('/crash').catch(() => undefined);
    expect(await app.ended).toEqual({ code: 1, signal: null });
    expect(app.output).toContain('nobody catches this');
  });
});

describe('a start', () => {
  it('names everything wrong with the environment in one message and exits with 78', async () => {
    await using app = await FixtureApp.start({
      PORT: 'eighty',
      DATABASE_URL: 'mysql://root:hunter2@db/orders',
      DEADLINE: '15 minutes',
      UNRELATED: 'x',
    });
    expect(await app.ended).toEqual({ code: 78, signal: null });
    for (const name of ['PORT', 'DATABASE_URL', 'NATS_URL', 'PROVIDER_URL', 'DEADLINE'])
      expect(app.output).toContain(name);
    expect(app.output).not.toContain('hunter2');
    expect(app.output).not.toMatch(/^\s+at /m);
  });

  it('says in one line that its port is in use and exits with 1', async () => {
    await using first = await FixtureApp.start(env);
    await first.answers('/health/live', 200);
    await using second = await FixtureApp.start({ ...env, PORT: String(first.port) });
    expect(await second.ended).toEqual({ code: 1, signal: null });
    expect(second.output).toContain(`fixture cannot listen on 127.0.0.1:${first.port}: the port is in use`);
  });

  it('listens on IPv4 and IPv6 when it is not told where', async () => {
    await using app = await FixtureApp.start({ ...env, HOST: '', RATE_LIMIT: '2' });
    await app.answers('/health/live', 200);
    const at = (host: string) => fetch(`http://${host}:${app.port}/health/live`);
    expect((await at('127.0.0.1')).status).toBe(200);
    if (hasIPv6) expect((await at('[::1]')).status).toBe(200);
    // An address of IPv4 is counted as one of its own also where it is shown as one of IPv6.
    const from = (localAddress: string) =>
      new Promise<number>((resolve, reject) =>
        get({ port: app.port, host: '127.0.0.1', path: '/nowhere', localAddress }, (answer) => {
          answer.resume();
          resolve(answer.statusCode!);
        }).once('error', reject),
      );
    expect([await from('127.0.0.2'), await from('127.0.0.2'), await from('127.0.0.2')]).toEqual([404, 404, 429]);
    expect(await from('127.0.0.3')).toBe(404);
  });

  it('needs neither database nor broker: live, and unready with the reasons', async () => {
    const nobody = await freePort();
    await using app = await FixtureApp.start({
      ...env,
      DATABASE_URL: `postgresql://nobody@127.0.0.1:${nobody}/fixture`,
      NATS_URL: `nats://127.0.0.1:${nobody}`,
    });
    await app.answers('/health/live', 200);
    const { status, reasons } = (await (await app.answers('/health/ready', 503)).json()) as {
      status: string;
      reasons: string[];
    };
    expect(status).toBe('unready');
    expect(reasons.join('\n')).toMatch(/^database: .*ECONNREFUSED/m);
    expect(reasons.join('\n')).toMatch(/^broker: /m);
    const answer = await app.get('/database');
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await answer.json()).toMatchObject({ type: '/docs/errors#temporarily-unavailable', status: 503 });
    app.kill('SIGTERM');
    expect(await app.ended).toMatchObject({ code: 0 });
  });
});

describe('a database that is not up to date', () => {
  it('makes a service unready until it is, and the service says which command to run', async () => {
    const MIGRATIONS = new URL('../../../apps/order/prisma/migrations/', import.meta.url).href;
    await using app = await FixtureApp.start({ ...env, MIGRATIONS });
    const { reasons } = (await (await app.answers('/health/ready', 503)).json()) as { reasons: string[] };
    expect(reasons).toContainEqual(
      expect.stringMatching(/^database: it lacks \d migrations, .* run "npm run migrate"$/),
    );
  });
});

describe('a clock that jumps', () => {
  it('makes a service unready until it is right again, and is measured against database and broker', async () => {
    await using app = await FixtureApp.start({ ...env, NODE_OPTIONS: clockThatJumps(300_000) });
    await app.answers('/health/ready', 200);
    app.kill('SIGUSR2');
    const { reasons } = (await (await app.answers('/health/ready', 503)).json()) as { reasons: string[] };
    const said = /^clock: it is (299|300)\.\d s ahead of that of the (database|broker), and 5 s are allowed/;
    expect(reasons).toEqual([expect.stringMatching(said), expect.stringMatching(said)]);
    const metrics = await (await app.get('/metrics')).text();
    for (const peer of ['database', 'broker'])
      expect(metrics).toMatch(new RegExp(`^clock_skew_seconds\\{[^}]*peer="${peer}"[^}]*\\} (299|300)\\.`, 'm'));
    app.kill('SIGUSR2');
    await app.answers('/health/ready', 200);
  });
});

describe('an outage', () => {
  it('of the broker leaves only those services ready that can accept work without it', async () => {
    await using needing = await FixtureApp.start(env);
    await using accepting = await FixtureApp.start({ ...env, NEEDS_BROKER: 'no' });
    await needing.answers('/health/ready', 200);
    await accepting.answers('/health/ready', 200);
    await nats.stop();
    await needing.answers('/health/ready', 503);
    await accepting.answers('/health/ready', 200);
    expect((await needing.get('/health/live')).status).toBe(200);
    await nats.restart();
    await needing.answers('/health/ready', 200);
  });

  it('of the database makes a service unready until it is back, without a restart', async () => {
    await using app = await FixtureApp.start(env);
    await app.answers('/health/ready', 200);
    await postgres.stop();
    await app.answers('/health/ready', 503);
    expect((await app.get('/health/live')).status).toBe(200);
    expect((await app.get('/database')).status).toBe(503);
    await postgres.restart();
    await app.answers('/health/ready', 200);
    expect((await app.get('/database')).status).toBe(200);
  });
});

async function sql(text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: postgres.url('fixture') });
  await client.connect();
  try {
    return (await client.query(text)).rows as unknown[];
  } finally {
    await client.end();
  }
}

async function publish(what: string): Promise<void> {
  const id = '01990000-0000-7000-8000-000000000001';
  const event = { id, type: 'things.happened.v1', source: '/test', subject: 'one', time: new Date().toISOString() };
  const carried = headers();
  for (const [name, value] of Object.entries(toHeaders(event))) carried.set(name, value);
  await jetstream(nc).publish('things.happened.one', JSON.stringify({ what }), { headers: carried });
}
