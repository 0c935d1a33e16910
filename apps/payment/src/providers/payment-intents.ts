import { type Answer, type Notice, type Payable, PaymentProvider, type Unknown } from '../payment.provider.js';
import type { ProviderClient } from './client.js';
import { trusted } from './signature.js';

/** A payment as the API shows it, of which the states matter here. */
interface Intent {
  id: string;
  status: string;
  cancellation_reason?: string | null;
  next_action?: { redirect_to_url?: { url?: string } } | null;
}
/** The payment an answer shows, by its state. */
interface Found {
  type: State | 'another_state';
  intent: Intent;
}
type State = (typeof STATES)[number];
const STATES = [
  'requires_payment_method',
  'requires_confirmation',
  'requires_action',
  'processing',
  'succeeded',
  'canceled',
] as const;

/** Reasons to cancel, of those that the API knows; by them a payment that is looked up later tells what it came to. */
const DECLINED = 'abandoned';
const VOIDED = 'requested_by_customer';

/**
 * An API like Stripe's, in which a payment is an object of its own: created, which moves no money, and then confirmed.
 * Only creation and refund need an idempotency key; everything else is guarded by the state of the payment. It is
 * created to be voided as well, when nobody knows whether it was: with the same key and parameters it is the same one.
 */
export class PaymentIntentsProvider extends PaymentProvider {
  constructor(
    private readonly client: ProviderClient,
    private readonly webhookSecret: string | undefined,
    /** Where customers come back to from their bank. */
    private readonly returnUrl: string,
  ) {
    super();
  }

  async charge(payment: Payable): Promise<Answer | Unknown> {
    const found = await this.#found(payment);
    if (found.type === 'unknown') return found;
    if (found.type === 'refused') return { type: 'declined' };
    if (found.type !== 'requires_confirmation') return this.#concluded(payment, found);
    return this.#changed(payment, found.intent, 'confirm', { return_url: this.returnUrl });
  }

  async void(payment: Payable): Promise<Answer | Unknown> {
    const found = await this.#found(payment);
    if (found.type === 'unknown') return found;
    // There is no payment that a late request could confirm, and there will be none.
    if (found.type === 'refused') return { type: 'voided' };
    return this.#changed(payment, found.intent, 'cancel', { cancellation_reason: VOIDED });
  }

  async refund(payment: Payable): Promise<boolean> {
    const found = payment.reference ? undefined : await this.#found(payment);
    const reference = payment.reference ?? (found && 'intent' in found ? found.intent.id : undefined);
    if (!reference) return false;
    const form = { payment_intent: reference, amount: String(payment.charge.amount.amount) };
    const answer = await this.client.ask(
      this.#request('refund', payment.orderId, '/v1/refunds', form, `${payment.orderId}:refund`),
      (status, body) => {
        const isGiven = status === 200 && (body['status'] === 'succeeded' || body['status'] === 'pending');
        return isGiven || errorOf(body).code === 'charge_already_refunded' ? { type: 'refunded' as const } : undefined;
      },
    );
    return answer.type === 'refunded';
  }

  orderOf(notice: Notice): string | undefined {
    const { type, data } = trusted(notice, 'stripe-signature', this.webhookSecret) as {
      type?: unknown;
      data?: { object?: { metadata?: { order_id?: unknown } | null } | null } | null;
    };
    const orderId = data?.object?.metadata?.order_id;
    return String(type).startsWith('payment_intent.') && typeof orderId === 'string' ? orderId : undefined;
  }

  /** The payment as it is by its name, or as it was created: for what it has become since, the next call answers. */
  #found({ orderId, charge: { amount, method }, reference }: Payable): Promise<Found | { type: 'refused' } | Unknown> {
    if (reference) {
      const path = `/v1/payment_intents/${encodeURIComponent(reference)}`;
      return this.client.ask({ operation: 'look up', orderId, method: 'GET', path }, foundIn);
    }
    const form = {
      amount: String(amount.amount),
      currency: amount.currency.toLowerCase(),
      payment_method: method,
      'payment_method_types[]': 'card',
      'metadata[order_id]': orderId,
    };
    const request = this.#request('create', orderId, '/v1/payment_intents', form, `${orderId}:create`);
    return this.client.ask<Found | { type: 'refused' }>(request, (status, body) =>
      status === 400 && errorOf(body).code === 'resource_missing' ? { type: 'refused' } : foundIn(status, body),
    );
  }

  /** What the payment is after it was told to change, or was found in a state that does not allow it. */
  async #changed(payment: Payable, { id }: Intent, operation: 'confirm' | 'cancel', form: Record<string, string>) {
    const path = `/v1/payment_intents/${encodeURIComponent(id)}/${operation}`;
    const answer = await this.client.ask(this.#request(operation, payment.orderId, path, form), foundIn);
    return answer.type === 'unknown' ? { ...answer, reference: id } : this.#concluded(payment, answer);
  }

  async #concluded(payment: Payable, { type, intent }: Found): Promise<Answer | Unknown> {
    const { id: reference, cancellation_reason: reason } = intent;
    const customerUrl = intent.next_action?.redirect_to_url?.url;
    if (type === 'succeeded') return { type: 'captured', reference };
    if (type === 'canceled') return { type: reason === DECLINED ? 'declined' : 'voided', reference };
    if (type === 'requires_action' && customerUrl) return { type: 'waiting', reference, customerUrl };
    // The bank has declined, and the customer could still try another card: not for this order.
    if (type === 'requires_payment_method')
      return this.#changed(payment, intent, 'cancel', { cancellation_reason: DECLINED });
    return { type: 'unknown', reference };
  }

  #request(operation: string, orderId: string, path: string, form: Record<string, string>, key?: string) {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      ...(key && { 'idempotency-key': key }),
    };
    return { operation, orderId, path, headers, body: new URLSearchParams(form).toString() };
  }
}

/** The payment in an answer, or in a refusal that is about its state or its card. */
function foundIn(status: number, body: Readonly<Record<string, unknown>>): Found | undefined {
  if (status !== 200 && status !== 400 && status !== 402) return undefined;
  const intent = (status === 200 ? body : errorOf(body).payment_intent) as Partial<Intent> | undefined;
  if (typeof intent?.id !== 'string' || typeof intent.status !== 'string') return undefined;
  return { type: STATES.find((state) => state === intent.status) ?? 'another_state', intent: intent as Intent };
}

const errorOf = ({ error }: Readonly<Record<string, unknown>>) =>
  (error ?? {}) as { code?: unknown; payment_intent?: unknown };
