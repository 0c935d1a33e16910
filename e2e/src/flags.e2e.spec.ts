import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { flags } from '@pavane/contracts';
import { eventually } from '@pavane/testing';
import { bodyOf, type Order, type Problem } from './harness/http.js';
import { Platform } from './harness/platform.js';

jest.setTimeout(60_000);

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start();
});
afterEach(async () => {
  for (const [key, { default: value }] of Object.entries(flags))
    await platform.setFlag(key as keyof typeof flags, value);
});
afterAll(() => platform?.[Symbol.asyncDispose]());

/** Places orders, one after the other, until one of them ends as the flag wants it. */
async function placeUntil(wanted: (order: Order) => boolean, events: string[] = ['orders.created']): Promise<Order> {
  return eventually(
    async () => {
      const order = await platform.ended((await platform.place()).id, events);
      expect(wanted(order)).toBe(true);
      return order;
    },
    { what: 'an order that shows the flag' },
  );
}

it('orders.intake off: new orders are turned away within a second, with Retry-After, and those in flight finish', async () => {
  // In flight for certain: the reservation is held back until the door is closed.
  await platform.broker.hold('inventory_payments-completed');
  const inFlight = await Promise.all(Array.from({ length: 20 }, () => platform.place()));
  const answers: { at: number; status: number; retryAfter: string | null; body: Problem }[] = [];
  const end = new AbortController();
  const flow = (async () => {
    while (!end.signal.aborted) {
      const { status, headers, body } = await platform.http.postOrder(bodyOf());
      answers.push({ at: performance.now(), status, retryAfter: headers.get('retry-after'), body });
    }
  })();
  await eventually(() => expect(answers.length).toBeGreaterThan(5));
  const closedAt = performance.now();
  await platform.setFlag('orders.intake', false);
  await eventually(() => expect(answers.filter(({ status }) => status === 503).length).toBeGreaterThan(20));
  end.abort();
  await flow;
  const refused = answers.find(({ status }) => status === 503)!;
  expect(refused.at - closedAt).toBeLessThan(1000);
  expect(Number(refused.retryAfter)).toBeGreaterThan(0);
  expect(refused.body.type).toBe('/docs/errors#intake-closed');
  // Before it everything was accepted, and after it nothing.
  expect(answers.slice(0, answers.indexOf(refused)).every(({ status }) => status === 202)).toBe(true);
  expect(answers.slice(answers.indexOf(refused)).every(({ status }) => status === 503)).toBe(true);

  await platform.broker.release('inventory_payments-completed');
  for (const { id } of inFlight) expect(await platform.ended(id)).toMatchObject({ status: 'confirmed' });
  // What was accepted already stays known under its key.
  await platform.setFlag('orders.intake', true);
  await eventually(async () => expect((await platform.http.postOrder(bodyOf())).status).toBe(202));
});

it('orders.intake off: a request that was accepted before is still answered with its order', async () => {
  const key = 'accepted-before';
  const { body: order } = await platform.http.postOrder<Order>(bodyOf(), key);
  await platform.setFlag('orders.intake', false);
  await eventually(async () => expect((await platform.http.postOrder(bodyOf())).status).toBe(503));
  expect(await platform.http.postOrder<Order>(bodyOf(), key)).toMatchObject({ status: 202, body: { id: order.id } });
});

it('notifications.email off: nothing is sent, and that is recorded as suppressed', async () => {
  await platform.setFlag('notifications.email', false);
  const { id } = await placeUntil(
    ({ history }) => history.some(({ event }) => event === 'notifications.failed'),
    ['notifications.failed'],
  );
  expect(await platform.mails(id)).toEqual({});
  const rows = await platform.sql('notification', 'SELECT status FROM notifications WHERE order_id = $1', [id]);
  expect(rows).toEqual([{ status: 'suppressed' }]);
});

it('faults.payment.decline-rate 1: every payment is declined, and the provider captures nothing', async () => {
  await platform.setFlag('faults.payment.decline-rate', 1);
  const { id } = await placeUntil(({ reason }) => reason === 'payment_failed');
  expect(await platform.charge(id)).toMatchObject({ status: 'voided', captures: 0 });
  const others = await Promise.all(Array.from({ length: 10 }, () => platform.place()));
  for (const other of others) expect(await platform.ended(other.id)).toMatchObject({ reason: 'payment_failed' });
});

it('faults.payment.latency-ms: payments take that much longer', async () => {
  await platform.setFlag('faults.payment.latency-ms', 700);
  const tookMs = ({ history }: Order) =>
    Date.parse(history.find(({ event }) => event === 'payments.completed')!.at) - Date.parse(history[0]!.at);
  await placeUntil((order) => tookMs(order) >= 700, ['payments.completed']);
  await platform.setFlag('faults.payment.latency-ms', 0);
  await placeUntil((order) => tookMs(order) < 500, ['payments.completed']);
});

it('in production fault flags are refused', async () => {
  platform.local.settings.env.payment = { NODE_ENV: 'production' };
  await platform.addInstance('payment');
  expect(await platform.service('payment').stop()).toBe(0);
  await platform.setFlag('faults.payment.decline-rate', 1);
  for (let n = 0; n < 5; n++) {
    const { id } = await platform.place();
    expect(await platform.ended(id)).toMatchObject({ status: 'confirmed' });
  }
});

it('a flag set to nonsense is as if it were not set', async () => {
  const nc = await platform.nc();
  await nc.request('$KV.flags.orders.intake', '"maybe"');
  const { id } = await platform.place();
  await platform.ended(id, ['notifications.sent']);
  expect((await platform.http.postOrder(bodyOf())).status).toBe(202);
});

it('the books balance after all of it', async () => {
  await platform.holds();
});
