import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { KeyRing, SERVICES } from '@pavane/tools';
import type { Order } from './harness/http.js';
import { eventsOf, Platform } from './harness/platform.js';
import { readEvents } from './harness/sse.js';

jest.setTimeout(60_000);

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start({ orderDeadline: '3s', slowChargeMs: 5000 });
});
afterAll(() => platform?.[Symbol.asyncDispose]());

const instant = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const id = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);

it('every service has signed in to the broker as itself, and may do no more than that', async () => {
  const answer = await fetch(`${platform.nats.monitorUrl}/connz?auth=1`);
  const { connections } = (await answer.json()) as { connections: { name: string; authorized_user: string }[] };
  const ring = KeyRing.open(join(platform.dir, 'keys'));
  for (const service of SERVICES)
    expect(connections).toContainEqual(
      expect.objectContaining({ name: service, authorized_user: ring.publicKeys(service)[0]! }),
    );
});

describe('an order', () => {
  it('is accepted as pending, at the prices of the catalogue, and can be read under its Location', async () => {
    const body = {
      customerId: 'ada',
      email: 'ada@example.com',
      items: [
        { sku: 'TEAPOT', quantity: 1 },
        { sku: 'CUP', quantity: 2 },
      ],
      paymentMethod: 'card_ok',
    };
    const { status, headers, body: order } = await platform.http.postOrder<Order>(body);
    expect(status).toBe(202);
    expect(order).toEqual({
      id,
      status: 'pending',
      items: body.items,
      total: { amount: 4900 + 2 * 1250, currency: 'EUR' },
      createdAt: instant,
      deadlineAt: instant,
      history: [{ event: 'orders.created', at: instant }],
    });
    expect(Date.parse(order.deadlineAt) - Date.parse(order.createdAt)).toBeGreaterThan(2900);
    expect(headers.get('location')).toBe(`/orders/${order.id}`);
    const read = await platform.http.get<Order>(headers.get('location')!);
    expect(read.body).toMatchObject({ id: order.id, items: body.items, total: order.total });
  });

  it('ends confirmed when it is paid and in stock, and says so in the order it happened', async () => {
    const { id: orderId } = await platform.place();
    const order = await platform.ended(orderId, ['notifications.sent']);
    expect(order).toMatchObject({ status: 'confirmed', total: { amount: 1250, currency: 'EUR' } });
    expect(order).not.toHaveProperty('reason');
    expect(eventsOf(order).toSorted()).toEqual(
      [
        'inventory.reserved',
        'notifications.sent',
        'orders.confirmed',
        'orders.created',
        'payments.completed',
      ].toSorted(),
    );
    const at = (event: string) => eventsOf(order).indexOf(event);
    expect([at('orders.created'), at('orders.confirmed') - at('inventory.reserved')]).toEqual([0, 1]);
    expect(at('notifications.sent')).toBeGreaterThan(at('orders.confirmed'));
    const times = order.history.map((entry) => Date.parse(entry.at));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(await platform.charge(orderId)).toMatchObject({
      status: 'captured',
      amount: 1250,
      refunded: 0,
      captures: 1,
    });
    expect(await platform.mails(orderId)).toEqual({ confirmed: 1 });
  });

  it('ends cancelled with payment_failed when the card is declined, and nothing is captured', async () => {
    const { id: orderId } = await platform.place({ paymentMethod: 'card_declined' });
    const order = await platform.ended(orderId, ['payments.failed', 'notifications.sent']);
    expect(order).toMatchObject({ status: 'cancelled', reason: 'payment_failed' });
    expect(eventsOf(order)).not.toContain('payments.completed');
    expect(await platform.charge(orderId)).toMatchObject({ status: 'declined', captures: 0 });
    expect(await platform.mails(orderId)).toEqual({ cancelled: 1 });
  });

  it('ends cancelled with out_of_stock when a line cannot be had, and what was paid is refunded', async () => {
    const items = [
      { sku: 'CUP', quantity: 1 },
      { sku: 'GHOST', quantity: 1 },
    ];
    const { id: orderId } = await platform.place({ items });
    const order = await platform.ended(orderId, ['payments.refunded', 'inventory.rejected', 'notifications.sent']);
    expect(order).toMatchObject({ status: 'cancelled', reason: 'out_of_stock', total: { amount: 2240 } });
    expect(await platform.charge(orderId)).toMatchObject({ captures: 1, amount: 2240, refunded: 2240 });
  });

  it('ends cancelled with deadline_passed when the payment takes too long, and nothing is kept', async () => {
    const { id: orderId } = await platform.place({ paymentMethod: 'card_slow' });
    const order = await platform.ended(orderId, ['notifications.sent']);
    expect(order).toMatchObject({ status: 'cancelled', reason: 'deadline_passed' });
    const ended = order.history.find(({ event }) => event === 'orders.cancelled')!;
    expect(Date.parse(ended.at)).toBeGreaterThanOrEqual(Date.parse(order.deadlineAt));
  });

  it('ends cancelled with customer_request when its customer cancels it in time', async () => {
    const { id: orderId } = await platform.place({ paymentMethod: 'card_slow' });
    const { status, body } = await platform.http.cancel(orderId);
    expect([status, body.status, body.reason]).toEqual([200, 'cancelled', 'customer_request']);
    await platform.ended(orderId, ['notifications.sent']);
  });

  it('counts lines of the same SKU together', async () => {
    const items = Array.from({ length: 11 }, () => ({ sku: 'RECORD', quantity: 10 }));
    const { id: orderId } = await platform.place({ items });
    expect(await platform.ended(orderId, ['payments.refunded'])).toMatchObject({ reason: 'out_of_stock' });
  });

  it('tells its mail’s refusal without changing its ending', async () => {
    const { id: orderId } = await platform.place({ email: 'nobody@bounce.example' });
    expect(await platform.ended(orderId, ['notifications.failed'])).toMatchObject({ status: 'confirmed' });
    expect(await platform.mails(orderId)).toEqual({});
  });
});

describe('who looks on', () => {
  it('gets every entry of an order’s history as it happens, once, until the order has been seen to', async () => {
    const { id: orderId } = await platform.place();
    const events = await readEvents(`${platform.http.url}/orders/${orderId}/events`);
    const { history } = await platform.ended(orderId, ['notifications.sent']);
    expect(events).toEqual(history.slice(0, events.length).map((entry, i) => ({ id: `${i + 1}`, data: entry })));
    expect(events.map(({ data }) => (data as { event: string }).event)).toContain('notifications.sent');
  });

  it('finds the catalogue with prices, without the stock of anything', async () => {
    const { status, body } = await platform.http.get('/products');
    expect(status).toBe(200);
    expect(body).toContainEqual({
      sku: 'TEAPOT',
      name: 'Cast-iron teapot',
      price: { amount: 4900, currency: 'EUR' },
    });
    expect(body).toHaveLength(5);
  });

  it('finds the API described at /docs-json', async () => {
    const { status, body } = await platform.http.get<{ openapi: string; paths: Record<string, object> }>('/docs-json');
    expect(status).toBe(200);
    expect(body.openapi).toMatch(/^3\./);
    expect(Object.keys(body.paths).toSorted()).toEqual(
      ['/orders', '/orders/{id}', '/orders/{id}/cancel', '/orders/{id}/events', '/products'].toSorted(),
    );
    expect((await platform.http.get('/docs')).status).toBe(200);
  });

  it('finds no order where there is none', async () => {
    const unknown = await platform.http.get('/orders/01960000-0000-7000-8000-000000000000');
    expect(unknown).toMatchObject({ status: 404, body: { type: '/docs/errors#order-unknown', status: 404 } });
    expect(unknown.headers.get('content-type')).toMatch('application/problem+json');
    expect(await platform.http.cancel('01960000-0000-7000-8000-000000000000')).toMatchObject({ status: 404 });
    expect(await platform.http.get('/orders/not-an-id')).toMatchObject({ status: 400 });
  });

  it('finds every service alive and ready', async () => {
    for (const service of SERVICES)
      for (const probe of ['live', 'ready'])
        expect((await fetch(`${platform.local.addresses.http[service]}/health/${probe}`)).status).toBe(200);
  });
});

describe('all of it together', () => {
  it('adds up at the provider, on the shelves and in the mail sink', async () => {
    const { outcomes } = await platform.holds();
    expect(outcomes).toEqual({
      confirmed: 4,
      payment_failed: 1,
      out_of_stock: 2,
      deadline_passed: 1,
      customer_request: 1,
    });
  });
});
