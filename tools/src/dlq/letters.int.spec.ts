import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jetstream } from '@nats-io/jetstream';
import { connect, headers as newHeaders, type NatsConnection } from '@nats-io/transport-node';
import { topology } from '@pavane/contracts';
import { DEAD_LETTER, REPLAY_TO } from '@pavane/jetstream';
import { apply } from '@pavane/jetstream/provisioning';
import { type NatsServer, startNats } from '@pavane/testing/servers';
import { ROOT } from '../local/settings.js';
import { discardLetter, findLetters, replayLetter } from './letters.js';

describe('dead letters', () => {
  let nats: NatsServer;
  let nc: NatsConnection;

  beforeAll(async () => {
    nats = await startNats();
    nc = await connect({ servers: nats.url });
    await apply(nc, topology({ audit: false }));
    await bury('payment_orders-created', 'orders.created.o1', 'the card is unreadable', 'UNPROCESSABLE');
    await bury('payment_orders-created', 'orders.created.o2', 'timeout', 'Error');
    await bury('inventory_orders-cancelled', 'orders.cancelled.o1', 'no such order', 'UNPROCESSABLE');
  });
  afterAll(async () => {
    await nc.close();
    await nats[Symbol.asyncDispose]();
  });

  it.each([
    ['all of them', {}, 3],
    ['by durable', { durable: 'payment_orders-created' }, 2],
    ['by event', { event: 'orders.cancelled' }, 1],
    ['by order', { orderId: 'o1' }, 2],
    ['by reason or code, whatever the case', { reason: 'unPROcessable' }, 2],
    ['by number', { seqs: [2] }, 1],
    ['by age', { olderThanMs: 60_000 }, 0],
    ['by several at once', { orderId: 'o1', event: 'orders.created' }, 1],
  ])('are found %s', async (_, filter, count) => {
    expect(await findLetters(nc, filter)).toHaveLength(count);
  });

  it('tell what failed, where and why', async () => {
    const [letter] = await findLetters(nc, { seqs: [1] });
    expect(letter).toMatchObject({
      durable: 'payment_orders-created',
      subject: 'orders.created.o1',
      event: 'orders.created',
      orderId: 'o1',
      reason: 'the card is unreadable',
      code: 'UNPROCESSABLE',
      attempts: 5,
    });
  });

  it('are printed by the command, in short and in full', async () => {
    const run = promisify(execFile);
    const dlq = (...args: string[]) =>
      run(process.execPath, [join(ROOT, 'tools/dist/dlq.js'), ...args], {
        env: { ...process.env, NATS_URL: nats.url },
      });
    expect((await dlq('ls', '--order', 'o2')).stdout).toMatch(/2 .* payment_orders-created {2}o2 {2}Error: timeout\n/);
    expect((await dlq('show', '2')).stdout).toContain('dlq-reason: timeout');
  });

  it('are replayed to the durable that failed and leave the queue', async () => {
    const [letter] = await findLetters(nc, { seqs: [1] });
    await replayLetter(nc, letter!);
    const again = await (await jetstream(nc).consumers.get('SAGA', 'payment_orders-created')).next({ expires: 2000 });
    expect(again?.subject).toBe('orders.created.o1');
    expect(again?.headers?.get(REPLAY_TO)).toBe('payment_orders-created');
    expect(again?.headers?.get(DEAD_LETTER.reason)).toBe('');
    expect(await findLetters(nc, { seqs: [1] })).toHaveLength(0);
  });

  it('are discarded for good', async () => {
    const [letter] = await findLetters(nc, { seqs: [3] });
    await discardLetter(nc, letter!);
    expect(await findLetters(nc, { seqs: [3] })).toHaveLength(0);
  });

  async function bury(durable: string, subject: string, reason: string, code: string): Promise<void> {
    const headers = newHeaders();
    const set = { [DEAD_LETTER.durable]: durable, [DEAD_LETTER.reason]: reason, [DEAD_LETTER.code]: code };
    for (const [name, value] of Object.entries({
      ...set,
      [DEAD_LETTER.attempts]: '5',
      [DEAD_LETTER.failedAt]: new Date().toISOString(),
    }))
      headers.set(name, value);
    await jetstream(nc).publish(`dlq.${durable}.${subject}`, '{}', { headers });
  }
});
