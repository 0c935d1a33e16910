import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { Service } from '@pavane/contracts';
import { eventually } from '@pavane/testing';
import { type Child, SERVICES } from '@pavane/tools';
import { Balancer } from './harness/balancer.js';
import { Gateway } from './harness/gateway.js';
import { endingsOf, OpenLoop } from './harness/load.js';
import { buildNext } from './harness/next-version.js';
import { Platform } from './harness/platform.js';

// Some 60 s where nothing else runs; starved, the machine takes its time and must lose nothing all the same.
jest.setTimeout(300_000);

const PER_SECOND = 100;
/** Those that the gateway keeps: each is used about once a second, so at least twice while an instance serves on. */
const CONNECTIONS = 100;
/** How often the balancer looks who is ready, and how long order serves on once it is not: some looks long, as in the chart. */
const LOOK_EVERY_MS = 100;
const SHUTDOWN_GRACE = '3s';
/** The worst order for a new version of an event: who says it before those who hear it. */
const ROLLED: readonly Service[] = ['payment', 'notification', 'order', 'inventory'];

let platform: Platform;
let balancer: Balancer;
/** Version N runs first; what is added later is version N+1, in which `payments.completed` carries more. */
const entries: Partial<Record<Service, string>> = {};
const running = new Map<Service, Child[]>(SERVICES.map((service) => [service, []]));
/** Ports of the instances of order. */
const doors = new Set<number>();

beforeAll(async () => {
  platform = await Platform.start({
    // No order is late however slow the machine is.
    orderDeadline: '1h',
    env: { order: { SHUTDOWN_GRACE } },
    entries,
  });
  for (const service of SERVICES) {
    running.get(service)!.push(platform.service(service));
    await add(service);
  }
  doors.add(Number(new URL(platform.http.url).port));
  balancer = await Balancer.start(doors, { everyMs: LOOK_EVERY_MS });
  Object.assign(entries, await buildNext(platform.dir));
});
afterAll(async () => {
  await balancer?.[Symbol.asyncDispose]();
  await platform?.[Symbol.asyncDispose]();
});

async function add(service: Service): Promise<void> {
  const { child, url } = await platform.addInstance(service);
  running.get(service)!.push(child);
  if (service === 'order') doors.add(Number(new URL(url).port));
}

/** Replaces every instance of a service: the new ones are ready before the old ones are asked to go, one at a time. */
async function roll(service: Service): Promise<(number | null)[]> {
  const old = running.get(service)!.splice(0);
  await Promise.all(old.map(() => add(service)));
  if (service === 'order') await eventually(() => expect(balancer.ready).toBe(4));
  const codes: (number | null)[] = [];
  for (const child of old) codes.push(await child.stop('SIGTERM'));
  return codes;
}

it('version N+1 of every service replaces version N at 100 orders a second, and adds a version of an event: no request fails, no order is lost, every old process exits 0', async () => {
  await eventually(() => expect(balancer.ready).toBe(2));
  using gateway = new Gateway(balancer.url, CONNECTIONS);
  const customers = new OpenLoop((order) => gateway.place(order), PER_SECOND);
  const codes: Record<string, (number | null)[]> = {};
  {
    await using _until = customers;
    for (const service of ROLLED) codes[service] = await roll(service);
  }

  expect(customers.failures).toEqual([]);
  // Old and new instances share the machine, which may not keep up: that is said in time, and is no failure.
  console.log(`${customers.sent} orders were placed, and ${gateway.turnedAway} answers said to come again`);
  expect(codes).toEqual(Object.fromEntries(SERVICES.map((service) => [service, [0, 0]])));
  expect(customers.sent / customers.seconds).toBeGreaterThan(PER_SECOND * 0.99);
  // No dead letter either: an instance that does not know a version leaves it to one that does.
  const accepted = customers.placed.map(({ order }) => order.id);
  const { outcomes } = await platform.holds({ accepted, withinMs: 120_000 });
  expect(outcomes).toEqual({ ...endingsOf(customers.placed), deadline_passed: 0, customer_request: 0 });
});

it('old instances have met the new version, and left it to new ones', async () => {
  const said = await platform.sql<{ type: string }>(
    'payment',
    `SELECT DISTINCT headers->>'ce-type' AS type FROM messaging.outbox WHERE subject LIKE 'payments.completed.%' ORDER BY 1`,
  );
  expect(said.map(({ type }) => type)).toEqual(['payments.completed.v1', 'payments.completed.v2']);
  for (const service of ['order', 'inventory'] as const)
    expect(readFileSync(join(platform.dir, 'logs', `${service}.log`), 'utf8')).toContain(
      "'payments.completed.v2' is newer than 'payments.completed.v1'",
    );
});
