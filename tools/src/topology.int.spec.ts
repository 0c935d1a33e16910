import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { durables, LEAST_STORE, topology } from '@pavane/contracts';
import { apply } from '@pavane/jetstream/provisioning';
import { eventually, type NatsServer, startNats } from '@pavane/testing';
import { ROOT } from './local/settings.js';

/** Near the largest message that a server takes, so that little has to be published to fill much. */
const BODY = new Uint8Array(1_000_000);
const FULL = 10_077;

let nats: NatsServer;
let nc: NatsConnection;
let jsm: JetStreamManager;

beforeAll(async () => {
  nats = await startNats({ config: `jetstream { max_file_store: ${LEAST_STORE} }\n` });
  nc = await connect({ servers: nats.url });
  jsm = await jetstreamManager(nc);
  await apply(nc, topology({ store: LEAST_STORE }));
});
afterAll(async () => {
  await nc?.close();
  await nats?.[Symbol.asyncDispose]();
});

const state = async (stream: string) => (await jsm.streams.info(stream)).state;
const publish = (subject: string) => jetstream(nc).publish(subject, BODY);

/** Publishes until the broker refuses, and resolves to the code of its refusal; undefined when it took everything. */
async function flood(subject: string, messages: number): Promise<number | undefined> {
  for (let n = 0; n < messages; n++) {
    const refused = await publish(`${subject}.${n}`).then(
      () => undefined,
      (error: unknown) => (error as { code: number }).code,
    );
    if (refused !== undefined) return refused;
  }
  return undefined;
}

/** Acknowledges all that the saga's durables have been sent. */
async function settle(): Promise<void> {
  for (const { durable, stream } of durables.filter((d) => d.stream === 'SAGA')) {
    const consumer = await jetstream(nc).consumers.get(stream, durable);
    while ((await consumer.info()).num_pending > 0) {
      for await (const message of await consumer.fetch({ max_messages: 20, expires: 1000 })) await message.ackAck();
    }
  }
}

it('a stream that is full has filled its own room alone: AUDIT sheds its oldest, and SAGA takes events', async () => {
  // Twice what AUDIT holds, in batches that fit into SAGA.
  const PUBLISHED = 140;
  for (let published = 0; published < PUBLISHED;) {
    for (let n = 0; n < 20; n++, published++) await publish(`orders.created.${published}`);
    await settle();
    await eventually(async () => expect((await state('SAGA')).messages).toBe(0));
  }
  const dlq = await flood('dlq.payment_orders-created.orders.created', 300);
  const timers = await flood('timers.deadline', 100);
  await publish('orders.created.last');
  await settle();

  expect({ dlq, timers }).toEqual({ dlq: FULL, timers: undefined });
  await eventually(async () => expect((await state('AUDIT')).last_seq).toBe(PUBLISHED + 1));
  const { first_seq: first, bytes } = await state('AUDIT');
  expect(first).toBeGreaterThan(1);
  expect(bytes).toBeLessThanOrEqual(LEAST_STORE / 4);
}, 120_000);

it('SAGA refuses what goes beyond its own room, and takes events again once there is some', async () => {
  expect(await flood('orders.created', 200)).toBe(FULL);
  await settle();
  await eventually(() => publish('orders.created.again'));
}, 60_000);

it('the command says before it does anything that the server has too little room, and all sizes', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(ROOT, 'tools/dist/topology.js'), ...args], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], NATS_URL: nats.url },
    });
  for (const action of ['plan', 'apply'])
    expect(run(action, '--store', '1Gi')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /the streams need 1 GiB on each server \(SAGA 409\.6 MiB, .*768 MiB more/,
      ) as string,
    });
  expect(run('plan', '--store', '1GB')).toMatchObject({ status: 2, stderr: expect.stringContaining('no size') });
  expect(run('plan', '--store', '256Mi')).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('nothing to do'),
  });
});
