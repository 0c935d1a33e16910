import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { Platform } from './harness/platform.js';

jest.setTimeout(180_000);

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start({ orderDeadline: '120s', deathsExpected: true });
});
afterAll(() => platform?.[Symbol.asyncDispose]());

const ends = async ({ id }: { id: string }) =>
  expect((await platform.ended(id, ['notifications.sent'], 60_000)).status).toBe('confirmed');

it.each([
  ['nats-server', () => platform.nats],
  ['PostgreSQL', () => platform.local.postgres],
] as const)(
  '%s that dies is started again by the platform, with what it had stored, and orders go on',
  async (name, server) => {
    const before = await platform.place();
    const { pid } = server();
    process.kill(pid, 'SIGKILL');
    await eventually(() => expect(server().running && server().pid !== pid).toBe(true), { withinMs: 60_000 });
    expect(platform.deaths).toContain(`${name} (ended by SIGKILL)`);
    // Services need a moment to find the server again, in which order may refuse.
    const after = await eventually(() => platform.place(), { withinMs: 60_000 });
    await ends(before);
    await ends(after);
  },
);

it('nothing that was accepted was lost by it', async () => {
  await platform.holds();
});
