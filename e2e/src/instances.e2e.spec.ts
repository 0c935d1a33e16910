import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { SERVICES } from '@pavane/tools';
import { bodyOf, HttpClient, type Order } from './harness/http.js';
import { endingsOf, load } from './harness/load.js';
import { Platform, uniqueKey } from './harness/platform.js';
import { readEvents } from './harness/sse.js';

jest.setTimeout(90_000);

let platform: Platform;
const second = new Map<string, string>();
beforeAll(async () => {
  platform = await Platform.start();
  for (const service of SERVICES) second.set(service, (await platform.addInstance(service)).url);
});
afterAll(() => platform?.[Symbol.asyncDispose]());

it('two instances of every service end 200 orders as one of each does, and share the work', async () => {
  const doors = [platform.http, new HttpClient(second.get('order')!)];
  let turn = 0;
  const placed = await load((order) => doors[turn++ % 2]!.place(order), { count: 200 });
  const { outcomes } = await platform.holds({ accepted: placed.map(({ order }) => order.id) });
  expect(outcomes).toEqual({ ...endingsOf(placed), deadline_passed: 0, customer_request: 0 });
  for (const service of SERVICES) {
    const urls = [platform.local.addresses.http[service], second.get(service)!];
    const handled = await Promise.all(urls.map((url) => platform.metric(url, 'jetstream_handler_duration_count')));
    expect({ service, handled, idle: handled.filter((n) => n === 0).length }).toMatchObject({ idle: 0 });
  }
});

it('nothing is delivered twice because there are two', async () => {
  for (const service of SERVICES)
    for (const url of [platform.local.addresses.http[service], second.get(service)!])
      expect(await platform.metric(url, 'jetstream_redeliveries_total')).toBe(0);
});

it('one Idempotency-Key sent to both instances at once makes one order', async () => {
  const key = uniqueKey();
  const doors = [platform.http, new HttpClient(second.get('order')!)];
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => doors[n % 2]!.postOrder<Order>(bodyOf(), key)),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 202));
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
});

it('an order is followed at either instance, whichever handles its events', async () => {
  const { id } = await platform.place();
  const [here, there] = await Promise.all(
    [platform.http.url, second.get('order')!].map((url) => readEvents(`${url}/orders/${id}/events`)),
  );
  expect(here).toEqual(there);
  expect(here!.length).toBeGreaterThanOrEqual(5);
});

it('scarce stock is not sold twice by two inventories', async () => {
  const orders = await Promise.all(
    Array.from({ length: 60 }, () => platform.place({ items: [{ sku: 'RECORD', quantity: 3 }] })),
  );
  const ended = await Promise.all(orders.map(({ id }) => platform.ended(id, [], 30_000)));
  expect(ended.filter(({ status }) => status === 'confirmed')).toHaveLength(33);
  await platform.holds();
});
