import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { SERVICES } from '@pavane/tools';
import { endingsOf, load, type Placed } from './harness/load.js';
import { Platform } from './harness/platform.js';

jest.setTimeout(120_000);

const ORDERS = 200;
/** Of these, so many have been accepted when something is killed: the saga is in full swing. */
const STRUCK_AFTER = 60;

let platform: Platform;
const placed: Placed[] = [];
beforeAll(async () => {
  platform = await Platform.start({ deathsExpected: true });
});
afterAll(() => platform?.[Symbol.asyncDispose]());

/** Every order so far has ended as if nothing had been killed: none lost, none charged twice, none cancelled for it. */
async function expectNothingShows(): Promise<void> {
  const verdict = await platform.holds({ withinMs: 60_000, accepted: placed.map(({ order }) => order.id) });
  expect(verdict.outcomes).toEqual({ ...endingsOf(placed), deadline_passed: 0, customer_request: 0 });
}

async function strike(disaster: () => unknown): Promise<void> {
  const after = { accepted: STRUCK_AFTER, do: disaster };
  placed.push(...(await load((order) => platform.http.placeForSure(order), { count: ORDERS, after })));
}

it.each(SERVICES)('kill -9 of %s during 200 orders loses nothing', async (service) => {
  const { pid } = platform.service(service);
  await strike(() => platform.service(service).signal('SIGKILL'));
  await platform.service(service).ready();
  expect(platform.service(service).pid).not.toBe(pid);
  expect(platform.deaths).toContain(`${service} (SIGKILL)`);
  await expectNothingShows();
});

it('kill -9 of nats-server during 200 orders loses nothing', async () => {
  const { pid } = platform.nats;
  await strike(() => platform.nats.restart('SIGKILL'));
  expect(platform.nats.pid).not.toBe(pid);
  await expectNothingShows();
});

it('kill -9 of PostgreSQL during 200 orders loses nothing', async () => {
  const { pid } = platform.local.postgres;
  await strike(() => platform.local.postgres.restart('SIGKILL'));
  expect(platform.local.postgres.pid).not.toBe(pid);
  await expectNothingShows();
});

it('what an order service had committed and not yet published when it died is published by the next', async () => {
  // A broker that answers nothing keeps everything in the outbox, for certain.
  await platform.nats.pause();
  const orders = await Promise.all(Array.from({ length: 10 }, () => platform.place()));
  placed.push(...orders.map((order) => ({ order, ending: 'confirmed' as const })));
  await platform.service('order').stop('SIGKILL');
  platform.nats.resume();
  expect(await platform.count('order', 'messaging.outbox WHERE published_at IS NULL')).toBe(20);
  await platform.service('order').start();
  await expectNothingShows();
});

it('no service died of what was killed beside it', () => {
  expect(platform.deaths.toSorted()).toEqual(SERVICES.map((service) => `${service} (SIGKILL)`).toSorted());
});
