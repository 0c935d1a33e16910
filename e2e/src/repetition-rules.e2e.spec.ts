import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type EventType, subjectOf } from '@pavane/contracts';
import { eventually } from '@pavane/testing';
import { SERVICES } from '@pavane/tools';
import { v7 as uuidv7 } from 'uuid';
import type { RawMessage } from './harness/broker.js';
import type { Order } from './harness/http.js';
import { Platform } from './harness/platform.js';

jest.setTimeout(90_000);

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform?.[Symbol.asyncDispose]());

/** Everything that was said about an order, by anybody, as it was said. */
async function everythingSaid(id: string): Promise<RawMessage[]> {
  const rows = await Promise.all(
    SERVICES.map((service) =>
      platform.sql<{ id: string; subject: string; headers: Record<string, string>; data: object }>(
        service,
        'SELECT id, subject, headers, data FROM messaging.outbox WHERE aggregate_id = $1',
        [id],
      ),
    ),
  );
  return rows.flat().map(({ subject, headers, data, ...row }) => {
    const timer = subject.startsWith('timers.');
    const plain = Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('Nats-')));
    return {
      subject: timer ? subjectOf('timers.deadline', id) : subject,
      headers: plain,
      data: JSON.stringify(data),
      msgId: row.id,
    };
  });
}

/** What anybody knows of an order, and how much was ever said. */
async function stateOf(id: string) {
  const [orders, payments, reservations, notifications, stock, saga] = await Promise.all([
    platform.sql('order', 'SELECT id, version, status, reason, noted, ended_at FROM orders WHERE id = $1', [id]),
    platform.sql('payment', 'SELECT * FROM payments WHERE order_id = $1', [id]),
    platform.sql('inventory', 'SELECT * FROM reservations WHERE order_id = $1', [id]),
    platform.sql('notification', 'SELECT * FROM notifications WHERE order_id = $1', [id]),
    platform.sql('inventory', 'SELECT * FROM stock ORDER BY sku'),
    everythingSaid(id),
  ]);
  return {
    facts: {
      orders,
      payments: payments.map((row) => ({ ...(row as object), updated_at: null })),
      reservations: reservations.map((row) => ({ ...(row as object), updated_at: null })),
      notifications,
      stock,
      history: (await platform.http.read(id)).history,
      charge: await platform.charge(id),
      mails: await platform.mails(id),
    },
    said: saga.map(({ msgId }) => msgId).toSorted(),
  };
}

const ghost = [
  { sku: 'CUP', quantity: 2 },
  { sku: 'GHOST', quantity: 1 },
];
const cases: [string, () => Promise<Order>][] = [
  ['confirmed', async () => platform.ended((await platform.place()).id, ['notifications.sent'])],
  [
    'refunded',
    async () =>
      platform.ended((await platform.place({ items: ghost })).id, ['payments.refunded', 'notifications.sent']),
  ],
  [
    'released',
    async () => {
      await platform.broker.hold('order_inventory-reserved');
      const { id } = await platform.place({ items: [{ sku: 'CUP', quantity: 3 }] });
      await eventually(async () => expect(await platform.broker.waiting('order_inventory-reserved')).toBe(1));
      await platform.http.cancel(id);
      await platform.broker.release('order_inventory-reserved');
      return platform.ended(id, [
        'payments.refunded',
        'inventory.released',
        'inventory.reserved',
        'notifications.sent',
      ]);
    },
  ],
  [
    'declined',
    async () => platform.ended((await platform.place({ paymentMethod: 'card_declined' })).id, ['notifications.sent']),
  ],
];

describe.each(cases)('of an order that was %s, every event', (_, end) => {
  let id: string;
  beforeAll(async () => {
    ({ id } = await end());
    await platform.holds();
  });

  it('said five times more under its message id is stored once and changes nothing', async () => {
    const before = await stateOf(id);
    for (const message of await everythingSaid(id)) {
      // What fires a timer is another message than the schedule, so it has no id to be recognised by.
      if (message.subject.startsWith('timers.')) continue;
      for (let n = 0; n < 5; n++) expect(await platform.broker.publish(message)).toMatchObject({ duplicate: true });
    }
    await platform.holds();
    expect(await stateOf(id)).toEqual(before);
  });

  it('said five times more to a stream that forgot it changes nothing and makes nobody say more', async () => {
    const before = await stateOf(id);
    for (const { msgId: _forgotten, ...message } of await everythingSaid(id))
      for (let n = 0; n < 5; n++) expect(await platform.broker.publish(message)).toMatchObject({ duplicate: false });
    await platform.holds();
    expect(await stateOf(id)).toEqual(before);
  });

  it('said again under new ids, in reverse, changes nothing', async () => {
    const before = await stateOf(id);
    for (const message of (await everythingSaid(id)).toReversed()) {
      const eventId = uuidv7();
      await platform.broker.publish({ ...message, msgId: eventId, headers: { ...message.headers, 'ce-id': eventId } });
    }
    await platform.holds();
    expect((await stateOf(id)).facts).toEqual(before.facts);
  });
});

describe('an ending that nobody acted on', () => {
  it('is said again under a new id until it is seen to, once the broker no longer holds it', async () => {
    const nc = await platform.nc();
    await platform.broker.hold('notification_orders-confirmed');
    const { id } = await platform.place();
    await platform.ended(id);
    await eventually(async () => expect(await platform.broker.waiting('notification_orders-confirmed')).toBe(1));
    // Once nobody else is waited for, the message goes with its consumer: to the broker nothing was ever lost.
    await eventually(async () => expect((await platform.broker.stored('SAGA')).messages).toBe(1));
    const due = () => platform.sql('order', 'UPDATE orders SET echo_due_at = now() WHERE id = $1', [id]);
    await due();
    // As long as the broker holds it, saying it again would only add to what its listener has not got to.
    await eventually(async () =>
      expect(
        await platform.sql('order', 'SELECT resaid FROM orders WHERE id = $1 AND echo_due_at > now()', [id]),
      ).toEqual([{ resaid: 0 }]),
    );
    await nc.request('$JS.API.CONSUMER.DELETE.SAGA.notification_orders-confirmed');
    await platform.local.provision();
    expect(await platform.mails(id)).toEqual({});
    // The minute that the echo may take is not waited for here.
    await due();
    await platform.ended(id, ['notifications.sent']);
    expect(await platform.mails(id)).toEqual({ confirmed: 1 });
    const confirmations = (await everythingSaid(id)).filter(({ subject }) => subject.startsWith('orders.confirmed'));
    expect(new Set(confirmations.map(({ msgId }) => msgId)).size).toBe(2);
    await platform.holds();
  });
});

describe('an ending that was acted on, of which the order service has not heard yet', () => {
  it('is not said again: it is the service’s own line that the answer waits in', async () => {
    await platform.broker.hold('order_notifications-sent');
    const { id } = await platform.place();
    await platform.ended(id);
    // Nothing about the order is left but the answer, which nobody else listens to.
    await eventually(async () => expect(await platform.broker.waiting('order_notifications-sent')).toBe(1));
    await eventually(async () => expect((await platform.broker.stored('SAGA')).messages).toBe(1));
    await platform.sql('order', 'UPDATE orders SET echo_due_at = now() WHERE id = $1', [id]);
    await eventually(async () =>
      expect(
        await platform.sql('order', 'SELECT resaid FROM orders WHERE id = $1 AND echo_due_at > now()', [id]),
      ).toEqual([{ resaid: 0 }]),
    );
    await platform.broker.release('order_notifications-sent');
    await platform.ended(id, ['notifications.sent']);
    await platform.holds();
  });
});

describe('a customer’s cancellation', () => {
  it('is 200 for a pending order, 200 again, and counts once', async () => {
    await platform.broker.hold('payment_orders-created');
    const { id } = await platform.place();
    const [first, again] = [await platform.http.cancel(id), await platform.http.cancel(id)];
    await platform.broker.release('payment_orders-created');
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.body).toMatchObject({ id, status: 'cancelled', reason: 'customer_request' });
    const order = await platform.ended(id, ['notifications.sent']);
    expect(order.history.filter(({ event }) => event === 'orders.cancelled')).toHaveLength(1);
  });

  it.each([
    ['confirmed', 'card_ok', 'confirmed'],
    ['cancelled for another reason', 'card_declined', 'payment_failed'],
  ])('is 409 for an order that is %s, with a problem that says so', async (_, paymentMethod, how) => {
    const { id } = await platform.place({ paymentMethod });
    const before = await platform.ended(id, ['notifications.sent']);
    const answer = await platform.http.cancel(id);
    expect(answer).toMatchObject({
      status: 409,
      body: { type: '/docs/errors#order-ended', detail: expect.stringContaining(how) },
    });
    expect(await platform.http.read(id)).toEqual(before);
  });
});

describe('stock', () => {
  const shelf = async (sku: string) =>
    (await platform.sql<object>('inventory', 'SELECT available, reserved, sold FROM stock WHERE sku = $1', [sku]))[0];

  it('is reserved for all lines of an order or for none', async () => {
    const before = await shelf('TEAPOT');
    const items = [
      { sku: 'TEAPOT', quantity: 5 },
      { sku: 'RECORD', quantity: 101 },
    ];
    const { id } = await platform.place({ items });
    expect(await platform.ended(id, ['payments.refunded'])).toMatchObject({ reason: 'out_of_stock' });
    expect([await shelf('TEAPOT'), await shelf('RECORD')]).toEqual([before, { available: 100, reserved: 0, sold: 0 }]);
  });

  it('of 100 goes to exactly 100 of 150 buyers at once, and the others get their money back', async () => {
    const orders = await Promise.all(
      Array.from({ length: 150 }, () => platform.place({ items: [{ sku: 'RECORD', quantity: 1 }] })),
    );
    const ended = await Promise.all(orders.map(({ id }) => platform.ended(id, ['notifications.sent'], 40_000)));
    expect(ended.filter(({ status }) => status === 'confirmed')).toHaveLength(100);
    expect(ended.filter(({ reason }) => reason === 'out_of_stock')).toHaveLength(50);
    expect(await shelf('RECORD')).toEqual({ available: 0, reserved: 0, sold: 100 });
    await platform.holds();
  });
});

it.each<EventType>(['payments.completed', 'inventory.reserved', 'payments.failed', 'timers.deadline'])(
  'a late %s with new content cannot undo an ending',
  async (type) => {
    const { id } = await platform.place({ paymentMethod: 'card_declined' });
    await platform.ended(id, ['notifications.sent']);
    const data = {
      'payments.completed': { amount: { amount: 1250, currency: 'EUR' }, items: [{ sku: 'CUP', quantity: 1 }] },
      'inventory.reserved': { items: [{ sku: 'CUP', quantity: 1 }] },
      'payments.failed': { reason: 'deadline_passed' },
      'timers.deadline': { deadlineAt: new Date().toISOString() },
    }[type as 'payments.failed'];
    const stock = await platform.sql('inventory', 'SELECT * FROM stock ORDER BY sku');
    await platform.broker.publish(platform.broker.event(type, id, data));
    await platform.holds();
    expect(await platform.http.read(id)).toMatchObject({ status: 'cancelled', reason: 'payment_failed' });
    expect(await platform.sql('inventory', 'SELECT * FROM stock ORDER BY sku')).toEqual(stock);
  },
);
