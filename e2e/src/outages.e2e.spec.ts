import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { SERVICES } from '@pavane/tools';
import { bodyOf, type Order } from './harness/http.js';
import { endingsOf, load, type Placed } from './harness/load.js';
import { Platform } from './harness/platform.js';

/** How long each thing is away; beyond the 8 s that five attempts take, so that dead letters would show. */
const OUTAGE_SECONDS = Number(process.env['OUTAGE_SECONDS'] ?? 12);
/** After an outage everybody looks again within the longest pause, a minute, and a flaky card takes three looks. */
const RECOVERY_MS = 60_000 + 3000 * Math.min(OUTAGE_SECONDS, 60);
jest.setTimeout(OUTAGE_SECONDS * 1000 + RECOVERY_MS + 60_000);

let platform: Platform;
const placed: Placed[] = [];
beforeAll(async () => {
  platform = await Platform.start({ orderDeadline: `${OUTAGE_SECONDS + 300}s` });
});
afterAll(() => platform?.[Symbol.asyncDispose]());

const some = async (count: number): Promise<Placed[]> => {
  const more = await load((order) => platform.http.placeForSure(order), { count });
  placed.push(...more);
  return more;
};
/** Of each service whether it is ready, or what it says keeps it from being so. */
const readiness = () =>
  Promise.all(
    SERVICES.map(async (service) => {
      const response = await fetch(`${platform.local.addresses.http[service]}/health/ready`);
      const { reasons } = (await response.json()) as { reasons: string[] };
      return response.status === 200 ? 'ready' : reasons.join('; ');
    }),
  );
const live = () =>
  Promise.all(
    SERVICES.map(async (service) => (await fetch(`${platform.local.addresses.http[service]}/health/live`)).status),
  );
/** One step of each service, from the last to the first. */
const STEPS = [
  'notification_orders-confirmed',
  'order_inventory-reserved',
  'inventory_payments-completed',
  'payment_orders-created',
];
const READY = ['ready', 'ready', 'ready', 'ready'];
const without = (what: string) => expect.stringMatching(new RegExp(`^${what}: `));
/** Order accepts into its outbox while its broker is away; the others have nothing to offer. */
const WITHOUT_BROKER = ['ready', without('broker'), without('broker'), without('broker')];
const WITHOUT_DATABASE = SERVICES.map(() => without('database'));
const ALIVE = [200, 200, 200, 200];

/** Everything that was accepted has ended as if nothing had been away, without a dead letter. */
async function expectCaughtUp(): Promise<void> {
  const accepted = placed.map(({ order }) => order.id);
  const { outcomes } = await platform.holds({ withinMs: RECOVERY_MS, accepted, deadLetters: {} });
  expect(outcomes).toEqual({ ...endingsOf(placed), deadline_passed: 0, customer_request: 0 });
}

describe('while nats-server is away', () => {
  it('orders are accepted and kept, services are alive, and all of it is caught up with afterwards', async () => {
    const storm = some(40);
    await eventually(async () => expect(await platform.count('order', 'orders')).toBeGreaterThan(10));
    await platform.nats.stop();
    const back = pause(OUTAGE_SECONDS * 1000);
    await storm;
    await eventually(async () => expect(await readiness()).toEqual(WITHOUT_BROKER));
    const during = await platform.http.postOrder<Order>(bodyOf());
    expect(during.status).toBe(202);
    placed.push({ order: during.body, ending: 'confirmed' });
    await some(20);
    await back;
    expect([await readiness(), await live()]).toEqual([WITHOUT_BROKER, ALIVE]);
    expect(await platform.http.read(during.body.id)).toMatchObject({ status: 'pending' });
    await platform.nats.restart();
    await expectCaughtUp();
    expect(await readiness()).toEqual(READY);
  });
});

describe('while PostgreSQL is away', () => {
  it('new orders are turned away with a problem, services are alive and unready, and what was accepted ends afterwards', async () => {
    await some(20);
    // Every step has something to do when the database goes: what was held back is delivered without it.
    for (const durable of STEPS) {
      await platform.broker.hold(durable);
      await some(10);
      await eventually(async () => expect(await platform.broker.waiting(durable)).toBeGreaterThan(4));
    }
    await platform.local.postgres.stop();
    await platform.broker.release(...STEPS);
    const back = pause(OUTAGE_SECONDS * 1000);
    await eventually(async () => expect(await readiness()).toEqual(WITHOUT_DATABASE));
    const answer = await platform.http.postOrder(bodyOf());
    expect(answer).toMatchObject({ status: 503, body: { type: '/docs/errors#temporarily-unavailable' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    await back;
    expect(await live()).toEqual(ALIVE);
    await platform.local.postgres.restart();
    await some(10);
    await expectCaughtUp();
    expect(await readiness()).toEqual(READY);
  });
});

describe('while the payment provider and the mail server are away', () => {
  it('orders wait for as long as it takes, and none is given up', async () => {
    await platform.local.provider.stop();
    await platform.local.mail.stop();
    const back = pause(OUTAGE_SECONDS * 1000);
    const orders = await some(20);
    // The customer's mind may change meanwhile: the ending is recorded, its mail waits.
    const changed = orders.find(({ ending }) => ending === 'confirmed')!;
    expect((await platform.http.cancel(changed.order.id)).status).toBe(200);
    await back;
    for (const { order } of orders.filter((one) => one !== changed))
      expect(await platform.http.read(order.id)).toMatchObject({ status: 'pending' });
    expect(await readiness()).toEqual(READY);
    await platform.local.provider.start();
    await platform.local.mail.start();
    const accepted = placed.map(({ order }) => order.id);
    const { outcomes } = await platform.holds({ withinMs: RECOVERY_MS, accepted, deadLetters: {} });
    const expected = endingsOf(placed);
    expect(outcomes).toEqual({
      ...expected,
      confirmed: expected.confirmed - 1,
      deadline_passed: 0,
      customer_request: 1,
    });
    const charge = await platform.charge(changed.order.id);
    expect(charge?.captures ? charge.amount - charge.refunded : 0).toBe(0);
  });

  it('a mail server that says "not now" is asked again until it takes the mail, once', async () => {
    await platform.mailFaults({ tempfail: 2 });
    const { id } = await platform.place();
    await platform.ended(id, ['notifications.sent'], 60_000);
    expect(await platform.mails(id)).toEqual({ confirmed: 1 });
    expect(await platform.broker.deadLetters()).toEqual([]);
  });
});
