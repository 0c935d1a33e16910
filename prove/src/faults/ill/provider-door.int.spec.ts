import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomOf } from '../../random.js';
import { ProviderDoor, WRONG_ANSWERS } from './provider-door.js';

let charged: number;
const provider = createServer((asked, response) => {
  charged++;
  asked.resume().once('end', () => response.writeHead(201).end('{"status":"captured"}'));
});
let door: ProviderDoor;
beforeAll(async () => {
  provider.listen(0, '127.0.0.1');
  await once(provider, 'listening');
});
beforeEach(async () => {
  charged = 0;
  door = await ProviderDoor.before((provider.address() as AddressInfo).port, [], randomOf(1, 'door'));
});
afterEach(() => door.close());
afterAll(() => {
  provider.closeAllConnections();
  provider.close();
});

/** What a caller gets to know of its charge: nothing, unless there is an answer that settles it. */
async function charge(key = 'o1'): Promise<string | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${door.port}/charges`, {
      method: 'POST',
      headers: { 'idempotency-key': key },
      body: '{}',
      signal: AbortSignal.timeout(500),
    });
    return ((await answer.json()) as { status?: string }).status;
  } catch {
    return undefined;
  }
}

it('passes on what is asked and answered', async () => {
  expect(await charge()).toBe('captured');
  expect(charged).toBe(1);
});

it.each(Object.keys(WRONG_ANSWERS))(
  '%s: tells nobody what became of the charge, which was made now and then',
  async (wrong) => {
    door.answers(wrong);
    expect(await Promise.all(Array.from({ length: 20 }, () => charge()))).toEqual(Array(20).fill(undefined));
    expect(charged).toBeGreaterThan(2);
    expect(charged).toBeLessThan(18);
    expect(door.given.get(wrong)).toBe(20);
    door.answers(undefined);
    expect(await charge()).toBe('captured');
  },
);

it('counts who comes again sooner than Retry-After says, for each charge by itself', async () => {
  door.answers('429');
  await charge('o1');
  door.answers(undefined);
  await charge('o2');
  expect(door.hurried).toBe(0);
  await charge('o1');
  expect(door.hurried).toBe(1);
});
