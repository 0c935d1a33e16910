import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { durables, type EventType } from '@pavane/contracts';
import { eventually } from '@pavane/testing';
import type { Audit } from '@pavane/tools';
import { v7 as uuidv7 } from 'uuid';
import type { RawMessage } from './harness/broker.js';
import { endingsOf, load, type Placed } from './harness/load.js';
import { Platform } from './harness/platform.js';

jest.setTimeout(90_000);

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform?.[Symbol.asyncDispose]());

const money = { amount: 1250, currency: 'EUR' };
const items = [{ sku: 'CUP', quantity: 1 }];
const VALID = {
  'orders.cancelled': { reason: 'customer_request', email: 'e2e@example.com', total: money },
  'payments.completed': { amount: money, items },
  'payments.failed': { reason: 'declined' },
  'inventory.reserved': { items },
  'notifications.sent': { outcome: 'confirmed', messageId: '<x@pavane.example>' },
  'timers.deadline': { deadlineAt: '2026-01-01T00:00:00.000Z' },
} satisfies Partial<Record<EventType, object>>;
type Poisoned = keyof typeof VALID;

const heardBy = (type: EventType): string[] =>
  durables.filter(({ event }) => event === type).map(({ durable }) => durable);
const longAgo = uuidv7({ msecs: Date.now() - 8 * 86_400_000 });

/** What is wrong with each message, on which event, and what its dead letters must say. */
const poison: [what: string, type: Poisoned, make: (orderId: string) => RawMessage, reason: RegExp][] = [
  ['malformed JSON', 'orders.cancelled', (id) => said('orders.cancelled', id, {}, '{"reason": '), /not JSON/],
  ['JSON that is no object', 'payments.completed', (id) => said('payments.completed', id, {}, '[1]'), /not an object/],
  ['no body', 'inventory.reserved', (id) => said('inventory.reserved', id, {}, ''), /not JSON/],
  ['an empty payload', 'orders.cancelled', (id) => said('orders.cancelled', id, {}, '{}'), /reason.*email/],
  [
    'a field of the wrong type',
    'payments.completed',
    (id) => said('payments.completed', id, {}, JSON.stringify({ amount: { amount: '12', currency: 'EUR' }, items })),
    /amount/,
  ],
  [
    'a field nobody knows',
    'inventory.reserved',
    (id) => said('inventory.reserved', id, {}, JSON.stringify({ items, extra: true })),
    /extra/,
  ],
  [
    'a version nobody hears any more',
    'orders.cancelled',
    (id) => said('orders.cancelled', id, { 'ce-type': 'orders.cancelled.v0' }),
    /ce-type.*v0/,
  ],
  [
    'a type of another subject',
    'payments.completed',
    (id) => said('payments.completed', id, { 'ce-type': 'orders.created.v1' }),
    /ce-type/,
  ],
  [
    'a foreign source',
    'orders.cancelled',
    (id) => said('orders.cancelled', id, { 'ce-source': 'mallory' }),
    /ce-source/,
  ],
  [
    'the id of another order in its header',
    'payments.completed',
    (id) => said('payments.completed', id, { 'ce-subject': uuidv7() }),
    /ce-subject/,
  ],
  ['an id that is none', 'orders.cancelled', (id) => said('orders.cancelled', id, { 'ce-id': 'junk' }), /ce-id/],
  ['a time that is none', 'timers.deadline', (id) => said('timers.deadline', id, { 'ce-time': 'soon' }), /ce-time/],
  [
    'junk for a specification',
    'orders.cancelled',
    (id) => said('orders.cancelled', id, { 'ce-specversion': '\t!' }),
    /ce-specversion/,
  ],
  ['no headers at all', 'orders.cancelled', (id) => ({ ...said('orders.cancelled', id), headers: {} }), /missing/],
  [
    'an id older than the inbox remembers',
    'inventory.reserved',
    (id) => said('inventory.reserved', id, { 'ce-id': longAgo }),
    /older than/,
  ],
  ['an order nobody placed', 'payments.failed', (id) => said('payments.failed', id), /never placed/],
  ['an order nobody placed, by its deadline', 'timers.deadline', (id) => said('timers.deadline', id), /never placed/],
  ['an order nobody placed, noted', 'notifications.sent', (id) => said('notifications.sent', id), /never placed/],
  ['an order id that is none', 'orders.cancelled', () => said('orders.cancelled', 'no-order-id'), /\w/],
];

function said(type: Poisoned, orderId: string, change: Record<string, string> = {}, data?: string): RawMessage {
  return platform.broker.event(type, orderId, data ?? VALID[type], change);
}

describe('poison on the stream', () => {
  const expected: Record<string, number> = {};
  for (const [, type] of poison) for (const durable of heardBy(type)) expected[durable] = (expected[durable] ?? 0) + 1;
  const made = new Map<string, RawMessage>();
  let orders: Placed[];
  let verdict: Audit;

  beforeAll(async () => {
    for (const [what, , make] of poison) made.set(what, make(uuidv7()));
    const placed = load((order) => platform.http.place(order), { count: 60 });
    for (const message of made.values()) await platform.broker.publish(message);
    orders = await placed;
    verdict = await platform.holds({
      withinMs: 60_000,
      deadLetters: expected,
      accepted: orders.map(({ order }) => order.id),
    });
  });

  it('changes nothing for the orders around it', () => {
    expect(verdict.outcomes).toEqual({ ...endingsOf(orders), deadline_passed: 0, customer_request: 0 });
  });

  it.each(poison)(
    '%s is one dead letter for each durable that hears %s, as it came and with the reason',
    async (what, type, _, reason) => {
      const message = made.get(what)!;
      const letters = (await platform.broker.deadLetters()).filter(({ subject }) => subject === message.subject);
      expect(letters.map(({ durable }) => durable).toSorted()).toEqual(heardBy(type).toSorted());
      for (const letter of letters) {
        expect(letter.reason).toMatch(reason);
        expect(letter.headers).toMatchObject({
          ...Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, value.trim()])),
          'dlq-attempts': expect.stringMatching(/^[1-5]$/),
          'dlq-stack': expect.any(String),
        });
        expect(letter.data).toBe(message.data);
      }
    },
  );

  it('is counted by the services that met it', async () => {
    const { http } = platform.local.addresses;
    for (const service of ['order', 'payment', 'inventory', 'notification'] as const) {
      const count = Object.entries(expected)
        .filter(([durable]) => durable.startsWith(`${service}_`))
        .reduce((sum, [, n]) => sum + n, 0);
      await eventually(async () =>
        expect(await platform.metric(http[service], 'jetstream_dead_letters_total')).toBe(count),
      );
    }
  });

  it('that nobody hears is refused at once', async () => {
    const { headers, data } = said('orders.cancelled', uuidv7());
    await expect(platform.broker.publish({ subject: 'orders.exploded.1', headers, data })).rejects.toThrow();
  });

  it('leaves every service as it was', async () => {
    const { id } = await platform.place();
    expect(await platform.ended(id, ['notifications.sent'])).toMatchObject({ status: 'confirmed' });
    await platform.holds({ deadLetters: expected });
  });
});
