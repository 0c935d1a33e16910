import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { SERVICES } from '@pavane/tools';
import { bodyOf } from './harness/http.js';
import { endingsOf, load, type Placed } from './harness/load.js';
import { Platform } from './harness/platform.js';

jest.setTimeout(180_000);

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start({ orderDeadline: '300s' });
});
afterAll(() => platform?.[Symbol.asyncDispose]());

/** For sessions that are open and for those to come, as an administrator does who moves the primary elsewhere. */
async function setReadOnly(readOnly: boolean): Promise<void> {
  await platform.sql('order', `ALTER SYSTEM SET default_transaction_read_only = ${readOnly}`);
  await platform.sql('order', 'SELECT pg_reload_conf()');
}

const reasons = () =>
  Promise.all(
    SERVICES.map(async (service) => {
      const response = await fetch(`${platform.local.addresses.http[service]}/health/ready`);
      return ((await response.json()) as { reasons: string[] }).reasons;
    }),
  );

describe('while PostgreSQL answers, and takes no writes', () => {
  it('services say so, new orders are turned away, and what was accepted ends afterwards', async () => {
    const durable = 'payment_orders-created';
    await platform.broker.hold(durable);
    const placed: Placed[] = await load((order) => platform.http.placeForSure(order), { count: 20 });
    await setReadOnly(true);
    await platform.broker.release(durable);
    const readOnly = [expect.stringMatching(/^database: it takes no writes, because its sessions are read-only/)];
    await eventually(async () => expect(await reasons()).toEqual(SERVICES.map(() => readOnly)));
    await eventually(async () => expect(await platform.broker.deliveries(durable)).toBeGreaterThan(0));
    expect(await platform.http.postOrder(bodyOf())).toMatchObject({
      status: 503,
      body: { type: '/docs/errors#temporarily-unavailable' },
    });
    await setReadOnly(false);
    const accepted = placed.map(({ order }) => order.id);
    const { outcomes } = await platform.holds({ withinMs: 120_000, accepted, deadLetters: {} });
    expect(outcomes).toEqual({ ...endingsOf(placed), deadline_passed: 0, customer_request: 0 });
    expect(await reasons()).toEqual(SERVICES.map(() => []));
  });
});
