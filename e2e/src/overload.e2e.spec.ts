import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { type Answer, bodyOf, HttpClient, type Order, type Problem } from './harness/http.js';
import { Platform, uniqueKey } from './harness/platform.js';

jest.setTimeout(180_000);

const CUSTOMERS_AT_ONCE = 100;
/** More than may be under way while payment takes a second for each order, and far less than come. */
const MOST_UNDER_WAY = 700;

let platform: Platform;
let doors: HttpClient[];
beforeAll(async () => {
  // Long, so that however slow this machine is, it is not the deadline that ends an order here.
  platform = await Platform.start({ orderDeadline: '5m' });
  const second = await platform.addInstance('order');
  doors = [platform.http, new HttpClient(second.url)];
});
afterAll(() => platform?.[Symbol.asyncDispose]());

interface Asked {
  key: string;
  answer: Answer<Order | Problem>;
}

/** Customers who come to both instances as fast as they are answered, and never come back, until it is disposed of. */
function rush(asked: Asked[]): AsyncDisposable {
  const over = new AbortController();
  const customers = Array.from({ length: CUSTOMERS_AT_ONCE }, async (_, n) => {
    while (!over.signal.aborted) {
      const key = uniqueKey();
      const answer = await doors[n % 2]!.postOrder<Order | Problem>(bodyOf(), key);
      asked.push({ key, answer });
      // A customer who is turned away makes room for the next, who needs a moment to come.
      if (answer.status === 503) await pause(100);
    }
  });
  const gone = Promise.all(customers);
  // Looked at in the end: a customer who failed must not fail the test before.
  gone.catch(() => undefined);
  return {
    async [Symbol.asyncDispose]() {
      over.abort();
      await gone;
    },
  };
}

const pending = () => platform.count('order', `orders WHERE status = 'pending'`);
const refusal = expect.objectContaining({
  status: 503,
  body: expect.objectContaining({ type: '/docs/errors#overloaded' }),
});

/** A rush, and what has to hold while it lasts. */
async function turnedAwayIn(asked: Asked[]): Promise<void> {
  await using _rush = rush(asked);
  const refused = () => asked.filter(({ answer }) => answer.status === 503);
  await eventually(() => expect(refused().length).toBeGreaterThan(500), { withinMs: 60_000, what: 'refusals' });

  // Of both instances together, whatever each of them let in.
  expect(await pending()).toBeLessThan(MOST_UNDER_WAY);
  for (const { answer } of refused()) {
    expect(answer).toEqual(refusal);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(10);
  }
  // Who has an order gets it again, also from a door that turns everyone else away; another body is told so.
  const accepted = asked.find(({ answer }) => answer.status === 202)!;
  for (const door of doors) {
    const turnedAway = refused().length;
    await eventually(() => expect(refused().length).toBeGreaterThan(turnedAway + 20));
    expect(await door.postOrder(bodyOf(), accepted.key)).toMatchObject({
      status: 202,
      body: { id: (accepted.answer.body as Order).id },
    });
    const other = bodyOf({ items: [{ sku: 'TEAPOT', quantity: 1 }] });
    expect(await door.postOrder(other, accepted.key)).toMatchObject({ status: 422 });
    // Not even looked at: the door is cheaper than what is behind it.
    await eventually(async () => expect(await door.postOrder('{ "not": "an order" }')).toEqual(refusal));
  }
  expect(await platform.metric(doors[0]!.url, 'order_refusals_total')).toBeGreaterThan(0);
  expect(await platform.metric(doors[0]!.url, 'order_queued_limit')).toBeGreaterThan(0);
  expect(await platform.metric(doors[0]!.url, 'order_queued')).toBeGreaterThan(0);
}

it('while payment is slow, only so many orders are let in; those are finished, and then everyone is let in again', async () => {
  await platform.setFlag('faults.payment.latency-ms', 1000);
  // Until the flag has got around: from now on no order ends in less than a second.
  await eventually(async () => {
    const before = Date.now();
    await platform.ended((await platform.place()).id);
    expect(Date.now() - before).toBeGreaterThan(1000);
  });

  const asked: Asked[] = [];
  await turnedAwayIn(asked);
  await platform.setFlag('faults.payment.latency-ms', 0);
  await eventually(async () => expect(await pending()).toBe(0), { withinMs: 90_000, what: 'the end of all orders' });
  const orders = asked.filter(({ answer }) => answer.status === 202).length;
  expect(await platform.count('order', `orders WHERE status = 'confirmed'`)).toBeGreaterThanOrEqual(orders);
  expect(await platform.count('order', `orders WHERE status = 'cancelled'`)).toBe(0);
  for (const door of doors)
    await eventually(async () => expect(await door.postOrder(bodyOf())).toMatchObject({ status: 202 }));
  await platform.holds();
});
