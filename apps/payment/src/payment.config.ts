import { Address, Duration, ServiceConfig, Variable } from '@pavane/service';
import { IsIn, IsOptional, IsString, ValidateIf } from 'class-validator';
import { type ProviderApi, providers } from './providers/index.js';

const APIS = Object.keys(providers) as ProviderApi[];

const WEB = { what: 'an http or https URL', schemes: ['http', 'https'], path: 'any' } as const;
const needsAccount = (api: unknown): boolean => api === 'payment-intents';

/** What the payment service reads from its environment. */
export class PaymentConfig extends ServiceConfig {
  /** Which API the payment provider has. */
  @IsIn(APIS, { message: `one of ${APIS.join(', ')}` })
  @Variable({ example: APIS[0]! })
  PROVIDER_API: ProviderApi = 'simulated';

  /** Where the payment provider answers, e.g. `http://127.0.0.1:4010`; a path in it comes before those of the API. */
  @Address({ ...WEB, example: 'http://127.0.0.1:4010' })
  PROVIDER_URL!: string;

  /** How long the provider may take to answer before its answer counts as unknown. */
  @Duration({ min: 10, example: '3s' }) PROVIDER_TIMEOUT = 3000;

  /** What the provider knows us by, when it asks. */
  @ValidateIf(({ PROVIDER_API, PROVIDER_API_KEY }) => needsAccount(PROVIDER_API) || PROVIDER_API_KEY !== undefined)
  @IsString({ message: 'the secret key of an account at the provider' })
  @Variable({ secret: true })
  PROVIDER_API_KEY?: string;

  /** What the provider signs its webhooks with; without it none is believed. */
  @IsOptional()
  @IsString({ message: 'the secret that the provider signs webhooks with' })
  @Variable({ secret: true })
  PROVIDER_WEBHOOK_SECRET?: string;

  /** Where customers come back to from their bank, when the API asks for it. */
  @ValidateIf(({ PROVIDER_API }) => needsAccount(PROVIDER_API))
  @Address({ ...WEB, example: 'https://shop.example.com/thanks' })
  PROVIDER_RETURN_URL = '';
}
