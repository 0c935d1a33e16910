import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { signatureOf } from '@pavane/tools';
import { eventsOf, Platform } from './harness/platform.js';

jest.setTimeout(60_000);

const SLOW_CHARGE_MS = 3000;

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start({
    slowChargeMs: SLOW_CHARGE_MS,
    env: { payment: { PROVIDER_TIMEOUT: '500ms' } },
  });
});
afterEach(() => platform.providerFaults({}));
afterAll(() => platform?.[Symbol.asyncDispose]());

interface PaymentRow {
  status: string;
  cancelRequested: boolean;
}
const payment = async (id: string): Promise<PaymentRow | undefined> =>
  (
    await platform.sql<PaymentRow>(
      'payment',
      'SELECT status, cancel_requested AS "cancelRequested" FROM payments WHERE order_id = $1',
      [id],
    )
  )[0];
const becomes = (id: string, row: Partial<PaymentRow>) =>
  eventually(async () => expect(await payment(id)).toMatchObject(row), { what: `payment ${JSON.stringify(row)}` });
/** Types of everything payment ever said about an order. */
const said = async (id: string): Promise<string[]> =>
  (
    await platform.sql<{ type: string }>(
      'payment',
      `SELECT headers ->> 'ce-type' AS type FROM messaging.outbox WHERE aggregate_id = $1 ORDER BY id`,
      [id],
    )
  ).map(({ type }) => type);
const chargeBecomes = (id: string, status: string) =>
  eventually(async () => expect(await platform.charge(id)).toMatchObject({ status }), { what: `a ${status} charge` });

describe('an unknown outcome is never a failure', () => {
  it.each([
    ['fails before it succeeds', 'card_flaky'],
    ['captures and loses its answer', 'card_lost_reply'],
    ['answers long after it was given up on', 'card_slow'],
  ])('when the provider %s, the order is confirmed and charged once', async (_, paymentMethod) => {
    const { id } = await platform.place({ paymentMethod });
    const order = await platform.ended(id, ['notifications.sent'], 30_000);
    expect(order.status).toBe('confirmed');
    expect(await said(id)).toEqual(['payments.completed.v1']);
    expect(await platform.charge(id)).toMatchObject({ status: 'captured', captures: 1, refunded: 0 });
  });

  it('when the provider hangs, the intent waits for it', async () => {
    await platform.providerFaults({ hang: true });
    const { id } = await platform.place();
    await eventually(async () => expect((await payment(id))?.status).toBe('intended'));
    // Asked twice at least: once by the handler, and by the reconciler that took over.
    await eventually(
      async () => {
        const [row] = await platform.sql<{ tries: number }>(
          'payment',
          'SELECT tries FROM payments WHERE order_id = $1',
          [id],
        );
        expect(row!.tries).toBeGreaterThan(0);
      },
      { what: 'a try of the reconciler' },
    );
    expect(await platform.http.read(id)).toMatchObject({ status: 'pending' });
    const { payment: url } = platform.local.addresses.http;
    await eventually(
      async () => expect(await platform.metric(url, 'payment_oldest_open_intent_seconds')).toBeGreaterThan(1),
      { what: 'an old intent' },
    );
    const answers = await (await fetch(`${url}/metrics`)).text();
    expect(answers).toMatch(/^payment_provider_answers_total\{(?=[^}]*operation="charge")(?=[^}]*kind="timeout")/m);
    await platform.providerFaults({});
    expect(await platform.ended(id)).toMatchObject({ status: 'confirmed' });
    await eventually(async () => expect(await platform.metric(url, 'payment_oldest_open_intent_seconds')).toBe(0));
    expect(await said(id)).toEqual(['payments.completed.v1']);
    expect(await platform.charge(id)).toMatchObject({ captures: 1 });
  });

  it('when the process dies between the question and the answer, the next one asks again and charges once', async () => {
    const { id } = await platform.place({ paymentMethod: 'card_slow' });
    await chargeBecomes(id, 'pending');
    await platform.service('payment').stop('SIGKILL');
    await chargeBecomes(id, 'captured');
    expect(await payment(id)).toMatchObject({ status: 'intended' });
    await platform.service('payment').start();
    expect(await platform.ended(id, ['notifications.sent'])).toMatchObject({ status: 'confirmed' });
    expect(await platform.charge(id)).toMatchObject({ captures: 1 });
    expect(await said(id)).toEqual(['payments.completed.v1']);
  });
});

describe('a payment that needs its customer', () => {
  /** What payment tells a customer. */
  const view = async (id: string) =>
    (await (await fetch(`${platform.local.addresses.http.payment}/payments/${id}`)).json()) as {
      status: unknown;
      customerUrl?: string;
    };
  /** An order whose payment waits, and which nobody asks about unless there is reason to. */
  const waiting = async () => {
    const { id } = await platform.place({ paymentMethod: 'card_3ds' });
    const url = await eventually(
      async () => {
        const { status, customerUrl } = await view(id);
        expect(status).toBe('waiting');
        return customerUrl!;
      },
      { what: 'a payment that waits' },
    );
    await platform.sql('payment', `UPDATE payments SET due_at = now() + interval '1 h' WHERE order_id = $1`, [id]);
    return { id, url };
  };
  const customer = (url: string, decline: boolean) => fetch(url, { method: 'POST', body: JSON.stringify({ decline }) });

  it('leaves the order pending, which is confirmed when the provider tells of the customer', async () => {
    const { id, url } = await waiting();
    expect(await platform.http.read(id)).toMatchObject({ status: 'pending' });
    await customer(url, false);
    expect(await platform.ended(id, ['notifications.sent'])).toMatchObject({ status: 'confirmed' });
    expect(await view(id)).toEqual({ status: 'captured' });
    expect(await platform.charge(id)).toMatchObject({ captures: 1 });
  });

  it('cancels the order when the customer declines', async () => {
    const { id, url } = await waiting();
    await customer(url, true);
    expect(await platform.ended(id)).toMatchObject({ status: 'cancelled', reason: 'payment_failed' });
    expect(await view(id)).toEqual({ status: 'failed' });
    expect(await view('01990000-0000-7000-8000-000000000001')).toMatchObject({ type: '/docs/errors#payment-unknown' });
  });

  it('is voided with the order, and the customer can pay no more', async () => {
    const { id, url } = await waiting();
    expect((await platform.http.cancel(id)).status).toBe(200);
    await becomes(id, { status: 'voided' });
    expect((await customer(url, false)).status).toBe(404);
    expect(await platform.charge(id)).toMatchObject({ status: 'voided', captures: 0 });
  });

  it('is found out about without a notice as well', async () => {
    const { id, url } = await waiting();
    await platform.service('payment').stop('SIGKILL');
    await customer(url, false);
    await platform.sql('payment', 'UPDATE payments SET due_at = now() WHERE order_id = $1', [id]);
    await platform.service('payment').start();
    expect(await platform.ended(id)).toMatchObject({ status: 'confirmed' });
  });
});

describe('a notice', () => {
  const notice = async (body: string, signature = signatureOf(body, platform.local.webhookSecret)) => {
    const response = await fetch(`${platform.local.addresses.http.payment}/webhooks/payments`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'webhook-signature': signature },
      body,
    });
    return { status: response.status, body: await response.text() };
  };

  it('that the provider did not sign is refused', async () => {
    const { status, body } = await notice('{"type":"charge.decided"}', 't=1,v1=00');
    expect(status).toBe(401);
    expect(JSON.parse(body)).toMatchObject({ type: '/docs/errors#notice-untrusted' });
    for (const signature of ['', 'v1', 't=,v1=', signatureOf('{}', 'another secret')])
      expect(await notice('{}', signature)).toMatchObject({ status: 401 });
  });

  it('that is about nothing known, or comes again after the end, changes nothing', async () => {
    const order = await platform.ended((await platform.place()).id, ['notifications.sent']);
    for (const key of [order.id, order.id, '01990000-0000-7000-8000-000000000001', 'somebody-elses', 7, null])
      expect(await notice(JSON.stringify({ type: 'charge.decided', key }))).toEqual({ status: 204, body: '' });
    for (const body of ['{}', '[]']) expect(await notice(body)).toMatchObject({ status: 204 });
    expect(await platform.http.read(order.id)).toEqual(order);
    expect(await said(order.id)).toEqual(['payments.completed.v1']);
  });
});

describe('a cancellation', () => {
  it('that comes before the order leaves a tombstone: the late order is refused and nothing is said', async () => {
    await platform.broker.hold('payment_orders-created');
    const { id } = await platform.place();
    expect((await platform.http.cancel(id)).status).toBe(200);
    await becomes(id, { status: 'refused' });
    await platform.broker.release('payment_orders-created');
    await platform.holds();
    expect(await payment(id)).toMatchObject({ status: 'refused' });
    expect(await platform.charge(id)).toBeUndefined();
    expect(await said(id)).toEqual([]);
  });

  it('that crosses a charge nobody has answered voids it: nothing is captured and nothing is said', async () => {
    const { id } = await platform.place({ paymentMethod: 'card_slow' });
    await chargeBecomes(id, 'pending');
    expect((await platform.http.cancel(id)).status).toBe(200);
    await becomes(id, { status: 'voided', cancelRequested: true });
    expect(await platform.charge(id)).toMatchObject({ status: 'voided', captures: 0 });
    await platform.ended(id, ['notifications.sent']);
    expect(await said(id)).toEqual([]);
  });

  it('that crosses a charge whose answer was lost gives the money back and says no payments.completed', async () => {
    const { id } = await platform.place({ paymentMethod: 'card_slow' });
    await chargeBecomes(id, 'pending');
    await platform.service('payment').stop('SIGKILL');
    await chargeBecomes(id, 'captured');
    await platform.http.cancel(id);
    // The cancellation has to be heard before the charge is asked about again.
    await platform.broker.hold('payment_orders-created');
    await platform.service('payment').start();
    await becomes(id, { status: 'refunded', cancelRequested: true });
    await platform.broker.release('payment_orders-created');
    const order = await platform.ended(id, ['payments.refunded', 'notifications.sent']);
    expect(order).toMatchObject({ status: 'cancelled', reason: 'customer_request' });
    expect(eventsOf(order)).not.toContain('payments.completed');
    expect(await said(id)).toEqual(['payments.refunded.v1']);
    expect(await platform.charge(id)).toMatchObject({ captures: 1, refunded: order.total.amount });
  });

  it('that comes after the capture gives the money back, although the reservation was on its way', async () => {
    await platform.broker.hold('inventory_payments-completed');
    const { id } = await platform.place();
    await becomes(id, { status: 'captured' });
    expect((await platform.http.cancel(id)).status).toBe(200);
    const order = await platform.ended(id, ['payments.refunded']);
    await platform.broker.release('inventory_payments-completed');
    expect(await platform.charge(id)).toMatchObject({ captures: 1, refunded: order.total.amount });
    await platform.holds();
  });
});

describe('a refund', () => {
  const unavailable = [
    { sku: 'CUP', quantity: 1 },
    { sku: 'GHOST', quantity: 1 },
  ];

  it('that fails three times is owed meanwhile and made once', async () => {
    const { id } = await platform.place({ items: unavailable, paymentMethod: 'card_refund_flaky' });
    await becomes(id, { status: 'refund_pending' });
    const order = await platform.ended(id, ['payments.refunded'], 30_000);
    expect(await platform.charge(id)).toMatchObject({ captures: 1, refunded: order.total.amount });
    expect(await said(id)).toEqual(['payments.completed.v1', 'payments.refunded.v1']);
  });

  it('that is owed survives the process that owed it', async () => {
    await platform.providerFaults({ refundFailures: 1_000_000 });
    const { id } = await platform.place({ items: unavailable });
    await becomes(id, { status: 'refund_pending' });
    await platform.service('payment').stop('SIGKILL');
    await platform.providerFaults({});
    await platform.service('payment').start();
    const order = await platform.ended(id, ['payments.refunded'], 30_000);
    expect(await platform.charge(id)).toMatchObject({ captures: 1, refunded: order.total.amount });
  });

  it('that is owed too long can be seen in the metrics', async () => {
    await platform.providerFaults({ refundFailures: 1_000_000 });
    const { id } = await platform.place({ items: unavailable });
    await becomes(id, { status: 'refund_pending' });
    const { payment: url } = platform.local.addresses.http;
    await eventually(
      async () => expect(await platform.metric(url, 'payment_oldest_refund_pending_seconds')).toBeGreaterThan(1),
      { what: 'an old debt' },
    );
    await platform.providerFaults({});
    await platform.ended(id, ['payments.refunded'], 30_000);
  });
});

it('the books balance after all of it', async () => {
  await platform.holds();
});
