import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { eventually, freePort } from '@pavane/testing';
import { type HttpServer, startPaymentIntents } from '@pavane/tools';
import { Platform } from './harness/platform.js';

jest.setTimeout(60_000);

const API_KEY = 'sk_test';
const SECRET = 'whsec_test';

/** The provider with an API of its own kind, in the place of the simulated one. */
let api: HttpServer;
let platform: Platform;
beforeAll(async () => {
  const port = await freePort();
  platform = await Platform.start({
    env: {
      payment: {
        PROVIDER_API: 'payment-intents',
        PROVIDER_URL: `http://127.0.0.1:${port}`,
        PROVIDER_API_KEY: API_KEY,
        PROVIDER_WEBHOOK_SECRET: SECRET,
        PROVIDER_RETURN_URL: 'https://shop.example/thanks',
      },
    },
  });
  const url = `${platform.local.addresses.http.payment}/webhooks/payments`;
  api = await startPaymentIntents({ port, apiKey: API_KEY, webhook: { url, secret: SECRET } });
});
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await api?.close();
});

interface Charge {
  key: string;
  status: string;
  captures: number;
  refunded: number;
}
const charges = async (id: string): Promise<Charge[]> => {
  const ledger = (await (await fetch(`${api.url}/ledger`)).json()) as { charges: Charge[] };
  return ledger.charges.filter(({ key }) => key === id);
};

it('confirms an order that is paid, and cancels one whose card is declined', async () => {
  const [good, declined] = await Promise.all(
    ['pm_card_visa', 'pm_card_chargeDeclined'].map((paymentMethod) => platform.place({ paymentMethod })),
  );
  expect(await platform.ended(good!.id, ['notifications.sent'])).toMatchObject({ status: 'confirmed' });
  expect(await charges(good!.id)).toMatchObject([{ status: 'succeeded', captures: 1 }]);
  expect(await platform.ended(declined!.id)).toMatchObject({ status: 'cancelled', reason: 'payment_failed' });
  expect(await charges(declined!.id)).toMatchObject([{ status: 'canceled', captures: 0 }]);
});

it('gives the money back when what was paid for is out of stock', async () => {
  const { id } = await platform.place({ paymentMethod: 'pm_card_visa', items: [{ sku: 'GHOST', quantity: 1 }] });
  const order = await platform.ended(id, ['payments.refunded']);
  expect(order).toMatchObject({ status: 'cancelled', reason: 'out_of_stock' });
  expect(await charges(id)).toMatchObject([{ captures: 1, refunded: order.total.amount }]);
});

it('confirms an order whose customer comes back from the bank', async () => {
  const { id } = await platform.place({ paymentMethod: 'pm_card_authenticationRequired' });
  const bank = await eventually(
    async () => {
      const response = await fetch(`${platform.local.addresses.http.payment}/payments/${id}`);
      const { status, customerUrl } = (await response.json()) as { status: string; customerUrl: string };
      expect(status).toBe('waiting');
      return customerUrl;
    },
    { what: 'a payment that waits' },
  );
  await platform.sql('payment', `UPDATE payments SET due_at = now() + interval '1 h' WHERE order_id = $1`, [id]);
  expect(await platform.http.read(id)).toMatchObject({ status: 'pending' });
  await fetch(bank, { method: 'POST' });
  expect(await platform.ended(id)).toMatchObject({ status: 'confirmed' });
  expect(await charges(id)).toMatchObject([{ status: 'succeeded', captures: 1 }]);
});
