import { describe } from '@jest/globals';
import { conformsToPaymentProvider, TIMEOUT_MS } from '@pavane/payment/provider.conformance';
import { providers } from '@pavane/payment/providers';
import { startProvider } from '@pavane/tools';
import { receiveNotices } from './receiver.js';

describe('the simulated provider behind its adapter', () => {
  conformsToPaymentProvider(async () => {
    const receiver = await receiveNotices();
    const provider = await startProvider({
      port: 0,
      apiKey: 'key',
      webhook: { url: receiver.url, secret: 'whsec' },
    });
    return {
      url: provider.url,
      methods: { good: 'card_ok', declined: 'card_declined', needsCustomer: 'card_3ds' },
      adapter: (url, { wrongCredentials } = { wrongCredentials: false }) =>
        providers.simulated({
          PROVIDER_URL: url,
          PROVIDER_TIMEOUT: TIMEOUT_MS,
          PROVIDER_API_KEY: wrongCredentials ? 'another' : 'key',
          PROVIDER_WEBHOOK_SECRET: 'whsec',
          PROVIDER_RETURN_URL: '',
        }),
      async books(orderId) {
        const { charges } = (await (await fetch(`${provider.url}/ledger`)).json()) as { charges: Charge[] };
        const { captures, amount, refunded } = charges.find(({ key }) => key === orderId) ?? NOTHING;
        return { captures, captured: captures * amount, refunded };
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
        await provider.close();
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
const NOTHING = { captures: 0, amount: 0, refunded: 0 };
