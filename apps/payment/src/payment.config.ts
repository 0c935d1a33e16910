import { Duration, ServiceConfig, Variable } from '@pavane/service';
import { IsUrl } from 'class-validator';

/** What the payment service reads from its environment. */
export class PaymentConfig extends ServiceConfig {
  /** Where the payment provider answers, e.g. `http://127.0.0.1:4010`. */
  @IsUrl(
    { require_tld: false, require_protocol: true, protocols: ['http', 'https'] },
    { message: 'an http or https URL' },
  )
  @Variable({ example: 'http://127.0.0.1:4010' })
  PROVIDER_URL!: string;
  /** How long the provider may take to answer before its answer counts as unknown. */
  @Duration({ min: 10, example: '3s' }) PROVIDER_TIMEOUT = 3000;
}
