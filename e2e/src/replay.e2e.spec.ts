import { rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { replay } from '@pavane/outbox';
import { eventually } from '@pavane/testing';
import { SERVICES } from '@pavane/tools';
import { Client } from 'pg';
import { endingsOf, load } from './harness/load.js';
import { Platform } from './harness/platform.js';

jest.setTimeout(120_000);

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform?.[Symbol.asyncDispose]());

/** What `npm run outbox -- replay --since` does. */
async function replaySince(since: Date): Promise<number> {
  let rows = 0;
  for (const service of SERVICES) {
    const client = new Client({ connectionString: platform.local.addresses.databases[service] });
    await client.connect();
    rows += await replay(client, since);
    await client.end();
  }
  return rows;
}

it('orders whose events the broker lost with everything it had are ended by a replay of the outboxes, each once', async () => {
  const since = new Date();
  // Some have ended, some stand at every step of the saga, some are not even heard of.
  const done = await load((order) => platform.http.place(order), { count: 20 });
  await platform.holds();
  await platform.broker.hold('inventory_payments-completed');
  const halfway = await load((order) => platform.http.place(order), { count: 20 });
  await eventually(async () =>
    expect(await platform.broker.waiting('inventory_payments-completed')).toBeGreaterThan(10),
  );
  await platform.service('payment').stop();
  const unheard = await load((order) => platform.http.place(order), { count: 20 });
  await eventually(async () =>
    expect(await platform.count('order', 'messaging.outbox WHERE published_at IS NULL')).toBe(0),
  );

  await platform.nats.stop();
  rmSync(platform.nats.dir, { recursive: true, force: true });
  await platform.nats.restart();
  await platform.local.provision();
  // To the outboxes everything was published: without the replay nothing would move.
  await eventually(async () => expect(await platform.broker.waiting('payment_orders-created')).toBe(0));
  await platform.service('payment').start();
  await Promise.all(SERVICES.map((service) => platform.service(service).ready()));
  expect(await platform.http.read(unheard[0]!.order.id)).toMatchObject({ status: 'pending' });

  expect(await replaySince(since)).toBeGreaterThan(100);
  const placed = [...done, ...halfway, ...unheard];
  const { outcomes } = await platform.holds({ withinMs: 60_000, accepted: placed.map(({ order }) => order.id) });
  expect(outcomes).toEqual({ ...endingsOf(placed), deadline_passed: 0, customer_request: 0 });
});
