import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '@pavane/testing/servers';
import { freePorts, SERVICES } from '@pavane/tools';
import { endingsOf, load } from './harness/load.js';
import { Platform } from './harness/platform.js';

jest.setTimeout(120_000);

(hasPgBouncer() ? describe : describe.skip)('with a PgBouncer between the services and their databases', () => {
  let pooler: PgBouncer;
  let platform: Platform;
  beforeAll(async () => {
    const ports = await freePorts();
    pooler = await startPgBouncer({ postgres: ports.postgres, poolMode: 'session' });
    const env = Object.fromEntries(SERVICES.map((service) => [service, { DATABASE_URL: pooler.url(service) }]));
    platform = await Platform.start({ ports, env });
  });
  afterAll(async () => {
    await platform?.[Symbol.asyncDispose]();
    await pooler?.[Symbol.asyncDispose]();
  });

  it('every order ends as it does without', async () => {
    const placed = await load((order) => platform.http.placeForSure(order), { count: 60 });
    const accepted = placed.map(({ order }) => order.id);
    const { outcomes } = await platform.holds({ withinMs: 60_000, accepted, deadLetters: {} });
    expect(outcomes).toEqual({ ...endingsOf(placed), deadline_passed: 0, customer_request: 0 });
  });
});
