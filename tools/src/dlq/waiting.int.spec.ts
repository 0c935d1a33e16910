import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jetstream } from '@nats-io/jetstream';
import { connect, headers as newHeaders, type NatsConnection } from '@nats-io/transport-node';
import { topology } from '@pavane/contracts';
import { PARKED } from '@pavane/jetstream';
import { apply } from '@pavane/jetstream/provisioning';
import { eventually } from '@pavane/testing';
import { type NatsServer, startNats } from '@pavane/testing/servers';
import { ROOT } from '../local/settings.js';
import { findWaiting } from './waiting.js';

let nats: NatsServer;
let nc: NatsConnection;
beforeAll(async () => {
  nats = await startNats();
  nc = await connect({ servers: nats.url });
  await apply(nc, topology({ audit: false }));
  await park('payment_orders-created', 'orders.created', 'o1', 3_600_000);
  await park('payment_orders-created', 'orders.created', 'o2', 0);
  await park('inventory_orders-cancelled', 'orders.cancelled', 'o1', 60_000);
  await eventually(async () => {
    if ((await findWaiting(nc, { orderId: 'o2' }))[0]?.dueAt) throw new Error('it has not come back yet');
  });
});
afterAll(async () => {
  await nc.close();
  await nats[Symbol.asyncDispose]();
});

async function park(durable: string, event: string, orderId: string, inMs: number): Promise<void> {
  const place = `SAGA.${durable}.${orderId}.1`;
  const all = newHeaders();
  for (const [name, value] of Object.entries({
    'Nats-Schedule': `@at ${new Date(Date.now() + inMs).toISOString()}`,
    'Nats-Schedule-Target': `parked.due.${place}`,
    [PARKED.subject]: `${event}.${orderId}`,
    [PARKED.times]: '3',
    [PARKED.reason]: 'the shop is away',
    [PARKED.storedAt]: '2026-01-01T00:00:00.000Z',
  }))
    all.set(name, value);
  await jetstream(nc).publish(`parked.wait.${place}`, '{}', { headers: all });
}

describe('messages in the waiting room', () => {
  it('are found, soonest first, with what they wait for', async () => {
    expect(await findWaiting(nc)).toEqual([
      expect.objectContaining({ orderId: 'o2', dueAt: undefined }),
      expect.objectContaining({ orderId: 'o1', durable: 'inventory_orders-cancelled' }),
      {
        durable: 'payment_orders-created',
        subject: 'orders.created.o1',
        orderId: 'o1',
        times: 3,
        reason: 'the shop is away',
        storedAt: new Date('2026-01-01T00:00:00Z'),
        dueAt: expect.any(Date),
      },
    ]);
    expect(await findWaiting(nc, { durable: 'payment_orders-created' })).toHaveLength(2);
    expect(await findWaiting(nc, { orderId: 'o1' })).toHaveLength(2);
  });

  it('are printed by the command', async () => {
    const dlq = (...args: string[]) =>
      promisify(execFile)(process.execPath, [join(ROOT, 'tools/dist/dlq.js'), 'waiting', ...args], {
        env: { ...process.env, NATS_URL: nats.url },
      });
    const { stdout } = await dlq();
    expect(stdout).toMatch(/back at \S+Z {2}payment_orders-created {2}o1 {2}for the 3rd time: the shop is away/);
    expect(stdout).toMatch(/3 messages in the waiting room/);
    expect(JSON.parse((await dlq('--json', '--order', 'o2')).stdout)).toMatchObject({ waiting: [{ orderId: 'o2' }] });
  });
});
