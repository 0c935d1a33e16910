import type { PaymentConfig } from '../payment.config.js';
import type { PaymentProvider } from '../payment.provider.js';
import { ProviderClient } from './client.js';
import { PaymentIntentsProvider } from './payment-intents.js';
import { SimulatedPaymentProvider } from './simulated.js';

/** What an adapter is made from. */
export type ProviderConfig = Pick<
  PaymentConfig,
  'PROVIDER_URL' | 'PROVIDER_TIMEOUT' | 'PROVIDER_API_KEY' | 'PROVIDER_WEBHOOK_SECRET' | 'PROVIDER_RETURN_URL'
>;

/** The adapters that `PROVIDER_API` chooses from. Your own provider is one more file beside these, and one more line here. */
export const providers = {
  simulated: (config) => new SimulatedPaymentProvider(clientOf(config), config.PROVIDER_WEBHOOK_SECRET),
  'payment-intents': (config) =>
    new PaymentIntentsProvider(clientOf(config), config.PROVIDER_WEBHOOK_SECRET, config.PROVIDER_RETURN_URL),
} satisfies Record<string, (config: ProviderConfig) => PaymentProvider>;

export type ProviderApi = keyof typeof providers;

const clientOf = ({ PROVIDER_URL: url, PROVIDER_TIMEOUT: timeoutMs, PROVIDER_API_KEY: key }: ProviderConfig) =>
  new ProviderClient({ url, timeoutMs, ...(key && { headers: { authorization: `Bearer ${key}` } }) });
