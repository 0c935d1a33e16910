import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { clockThatJumps, eventually } from '@pavane/testing';
import { endingsOf, load } from './harness/load.js';
import { Platform } from './harness/platform.js';

jest.setTimeout(180_000);

/** Far beyond every deadline. */
const AHEAD_MS = 3_600_000;

let platform: Platform;
beforeAll(async () => {
  const env = { payment: { NODE_OPTIONS: clockThatJumps(AHEAD_MS) } };
  platform = await Platform.start({ orderDeadline: '150s', env });
});
afterAll(() => platform?.[Symbol.asyncDispose]());

const reasonsOf = async (): Promise<string[]> => {
  const response = await fetch(`${platform.local.addresses.http.payment}/health/ready`);
  return ((await response.json()) as { reasons: string[] }).reasons;
};

describe('while the clock of payment is an hour ahead', () => {
  it('no order is cancelled for it: payment is unready, says why, and charges them once its clock is right', async () => {
    platform.service('payment').signal('SIGUSR2');
    await eventually(async () =>
      expect(await reasonsOf()).toEqual([
        expect.stringMatching(/^clock: it is \d+\.\d s ahead of that of the database/),
        expect.stringMatching(/^clock: it is \d+\.\d s ahead of that of the broker/),
      ]),
    );
    const placed = await load((order) => platform.http.placeForSure(order), { count: 20 });
    await eventually(async () => expect(await platform.broker.deliveries('payment_orders-created')).toBeGreaterThan(0));
    platform.service('payment').signal('SIGUSR2');
    const accepted = placed.map(({ order }) => order.id);
    const { outcomes } = await platform.holds({ withinMs: 120_000, accepted, deadLetters: {} });
    expect(outcomes).toEqual({ ...endingsOf(placed), deadline_passed: 0, customer_request: 0 });
  });
});
