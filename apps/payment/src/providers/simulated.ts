import { type Answer, type Notice, type Payable, PaymentProvider, type Unknown } from '../payment.provider.js';
import type { ProviderClient } from './client.js';
import { trusted } from './signature.js';

/** The simulated provider of the local platform (`tools/src/provider`). */
export class SimulatedPaymentProvider extends PaymentProvider {
  constructor(
    private readonly client: ProviderClient,
    private readonly webhookSecret: string | undefined,
  ) {
    super();
  }

  charge({ orderId, charge: { amount, method } }: Payable): Promise<Answer | Unknown> {
    const body = { amount: amount.amount, currency: amount.currency, method };
    return this.#ask('charge', '/charges', orderId, body, (status, answer) =>
      // It refuses to look at the method or the amount, and will the next time.
      status === 422 ? { type: 'declined' } : settlement(status, answer),
    );
  }

  void({ orderId }: Payable): Promise<Answer | Unknown> {
    return this.#ask('void', `/charges/${encodeURIComponent(orderId)}/void`, orderId, {}, settlement);
  }

  async refund({ orderId, charge: { amount } }: Payable): Promise<boolean> {
    const { type } = await this.#ask('refund', '/refunds', orderId, { key: orderId, ...amount }, (status, answer) =>
      status < 300 && answer['status'] === 'refunded' ? { type: 'refunded' as const } : undefined,
    );
    return type === 'refunded';
  }

  orderOf(notice: Notice): string | undefined {
    const { key } = trusted(notice, 'webhook-signature', this.webhookSecret);
    return typeof key === 'string' ? key : undefined;
  }

  #ask<T extends { type: string }>(
    operation: string,
    path: string,
    orderId: string,
    body: object,
    understand: Parameters<typeof this.client.ask<T>>[1],
  ) {
    const headers = { 'content-type': 'application/json', 'idempotency-key': orderId };
    return this.client.ask({ operation, orderId, path, headers, body: JSON.stringify(body) }, understand);
  }
}

/** A charge as the provider has it: in its answer to a new one, to one it knows, and to one it refuses for its state. */
function settlement(status: number, answer: Readonly<Record<string, unknown>>): Answer | undefined {
  const { status: is, customerUrl } = answer;
  if (status >= 300 && status !== 402 && status !== 409) return undefined;
  if (is === 'captured' || is === 'declined' || is === 'voided') return { type: is };
  return is === 'waiting' && typeof customerUrl === 'string' ? { type: 'waiting', customerUrl } : undefined;
}
