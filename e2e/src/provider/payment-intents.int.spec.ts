import { describe } from '@jest/globals';
import { conformsToPaymentProvider, TIMEOUT_MS } from '@pavane/payment/provider.conformance';
import { providers } from '@pavane/payment/providers';
import { startPaymentIntents } from '@pavane/tools';
import { receiveNotices } from './receiver.js';

describe('a PaymentIntents API behind its adapter', () => {
  conformsToPaymentProvider(async () => {
    const receiver = await receiveNotices();
    const api = await startPaymentIntents({
      port: 0,
      apiKey: 'key',
      webhook: { url: receiver.url, secret: 'whsec' },
    });
    return {
      url: api.url,
      methods: {
        good: 'pm_card_visa',
        declined: 'pm_card_chargeDeclined',
        needsCustomer: 'pm_card_authenticationRequired',
      },
      adapter: (url, { wrongCredentials } = { wrongCredentials: false }) =>
        providers['payment-intents']({
          PROVIDER_URL: url,
          PROVIDER_TIMEOUT: TIMEOUT_MS,
          PROVIDER_API_KEY: wrongCredentials ? 'another' : 'key',
          PROVIDER_WEBHOOK_SECRET: 'whsec',
          PROVIDER_RETURN_URL: 'https://shop.example/thanks',
        }),
      async books(orderId) {
        const { charges } = (await (await fetch(`${api.url}/ledger`)).json()) as { charges: Charge[] };
        // More than one for an order would be the adapter's fault, so all of them count.
        const own = charges.filter(({ key }) => key === orderId);
        const total = (of: (charge: Charge) => number) => own.reduce((sum, charge) => sum + of(charge), 0);
        return {
          captures: total(({ captures }) => captures),
          captured: total(({ captures, amount }) => captures * amount),
          refunded: total(({ refunded }) => refunded),
        };
      },
      async customer(customerUrl, does) {
        const response = await fetch(customerUrl, {
          method: 'POST',
          body: JSON.stringify({ decline: does === 'declines' }),
        });
        if (!response.ok) throw new Error(`the bank answered ${response.status}`);
      },
      notices: () => receiver.notices,
      async [Symbol.asyncDispose]() {
        await api.close();
        await receiver.close();
      },
    };
  });
});

interface Charge {
  key: string;
  amount: number;
  captures: number;
  refunded: number;
}
