import { Injectable, Logger } from '@nestjs/common';
import type { FlagTable } from '@pavane/contracts';
import { Flags } from '@pavane/flags';
import { RetryLater } from '@pavane/jetstream';
import { setTimeout as delay } from 'node:timers/promises';
import { PaymentConfig } from './payment.config.js';
import type { Charge, Settlement } from './payment.js';
import { PaymentProvider } from './payment.provider.js';

/** The provider behind `PROVIDER_URL`, spoken to over HTTP. A real one takes this file's place. */
@Injectable()
export class HttpPaymentProvider extends PaymentProvider {
  readonly #log = new Logger('PaymentProvider');
  constructor(
    private readonly config: PaymentConfig,
    private readonly flags: Flags<FlagTable>,
  ) {
    super();
  }

  async charge(orderId: string, { amount, method }: Charge): Promise<Settlement | 'unknown'> {
    await delay(await this.flags.number('faults.payment.latency-ms'));
    if (shareOf(orderId) < (await this.flags.number('faults.payment.decline-rate'))) {
      // An earlier try may have captured before the flag was set: what the provider did stands.
      const voided = await this.void(orderId);
      return voided === 'voided' ? 'declined' : voided;
    }
    const answer = await this.#post('/charges', orderId, { amount: amount.amount, currency: amount.currency, method });
    if (answer?.status === 422) return 'declined';
    return settlementOf(answer);
  }

  async void(orderId: string): Promise<Settlement | 'unknown'> {
    return settlementOf(await this.#post(`/charges/${orderId}/void`, orderId, {}));
  }

  async refund(orderId: string, amount: number): Promise<boolean> {
    const answer = await this.#post('/refunds', orderId, { key: orderId, amount });
    return answer?.body.status === 'refunded';
  }

  /** The provider's answer; `undefined` when there was none in time, so that nobody knows what it did. */
  async #post(
    path: string,
    key: string,
    body: object,
  ): Promise<{ status: number; body: { status?: string } } | undefined> {
    try {
      const response = await fetch(new URL(path, this.config.PROVIDER_URL), {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(this.config.PROVIDER_TIMEOUT),
      });
      return { status: response.status, body: (await response.json().catch(() => ({}))) as { status?: string } };
    } catch (error) {
      const code = ((error as Error).cause as { code?: string } | undefined)?.code;
      // Never reached it, so it did nothing: the provider is away, and so it is for every other order.
      if (code === 'ECONNREFUSED' || code === 'ENOTFOUND')
        throw new RetryLater('the payment provider is away', { cause: error });
      this.#log.warn(`the provider's answer is unknown: ${(error as Error).message}`, { path });
      return undefined;
    }
  }
}

const settlementOf = (answer: { body: { status?: string } } | undefined): Settlement | 'unknown' => {
  const status = answer?.body.status;
  return status === 'captured' || status === 'declined' || status === 'voided' ? status : 'unknown';
};

/** A number in [0, 1) that stays the same for an order, so that asking again gives the same answer. */
const shareOf = (orderId: string): number => Number.parseInt(orderId.slice(-8), 16) / 2 ** 32;
