import { randomUUID } from 'node:crypto';
import { Refused } from '../http.js';

export type Status = 'requires_payment_method' | 'requires_confirmation' | 'requires_action' | 'succeeded' | 'canceled';

/** A payment as this API shows it. */
export interface Intent {
  id: string;
  object: 'payment_intent';
  status: Status;
  /** Minor units. */
  amount: number;
  currency: string;
  payment_method: string | null;
  metadata: Record<string, string>;
  cancellation_reason: string | null;
  last_payment_error: { code: string } | null;
  next_action: { type: 'redirect_to_url'; redirect_to_url: { url: string; return_url: string } } | null;
}

/** How a payment method turns out. */
const METHODS: Readonly<Record<string, 'captured' | 'declined' | 'asks'>> = {
  pm_card_visa: 'captured',
  pm_card_chargeDeclined: 'declined',
  pm_card_authenticationRequired: 'asks',
};

/** Refuses as the API does: an error of a type and a code, with the payment as it is when it is about one. */
export const refusal = (status: number, type: string, code: string, intent?: Intent): Refused =>
  new Refused(status, {
    error: { type, code, message: `${type}: ${code}`, ...(intent && { payment_intent: { ...intent } }) },
  });

/** The payments of one account and what may become of them. */
export class Intents {
  readonly #intents = new Map<string, Intent>();
  readonly #refunds = new Map<string, number>();

  /** `changed` is told of each new state. */
  constructor(private readonly changed: (intent: Intent) => void) {}

  all(): readonly Intent[] {
    return [...this.#intents.values()];
  }

  refundedOf(id: string): number {
    return this.#refunds.get(id) ?? 0;
  }

  get(id: string): Intent {
    const found = this.#intents.get(id);
    if (!found) throw refusal(404, 'invalid_request_error', 'resource_missing');
    return found;
  }

  create(amount: number, currency: string, method: string, metadata: Record<string, string>): Intent {
    if (!Number.isSafeInteger(amount) || amount < 1 || !/^[a-z]{3}$/.test(currency))
      throw refusal(400, 'invalid_request_error', 'parameter_invalid');
    if (!(method in METHODS)) throw refusal(400, 'invalid_request_error', 'resource_missing');
    const intent: Intent = {
      id: `pi_${randomUUID().replaceAll('-', '')}`,
      object: 'payment_intent',
      status: 'requires_confirmation',
      ...{ amount, currency, metadata },
      payment_method: method,
      cancellation_reason: null,
      last_payment_error: null,
      next_action: null,
    };
    this.#intents.set(intent.id, intent);
    return intent;
  }

  /** Moves money, or asks for the customer, who is sent to `bank` and back to `returnUrl`. */
  confirm(id: string, bank: string, returnUrl: string): Intent {
    const intent = this.#in(id, ['requires_confirmation']);
    const outcome = METHODS[intent.payment_method!];
    if (outcome === 'declined') throw this.#decline(intent);
    if (outcome === 'captured') return this.#become(intent, { status: 'succeeded' });
    const next_action = { type: 'redirect_to_url', redirect_to_url: { url: bank, return_url: returnUrl } } as const;
    return this.#become(intent, { status: 'requires_action', next_action });
  }

  cancel(id: string, reason: string): Intent {
    const intent = this.#in(id, ['requires_payment_method', 'requires_confirmation', 'requires_action']);
    return this.#become(intent, { status: 'canceled', cancellation_reason: reason, next_action: null });
  }

  /** The customer has been to the bank; one whose card was declined may come with another as long as this is open. */
  authenticate(id: string, accepts: boolean): Intent {
    const intent = this.#in(id, ['requires_action', 'requires_payment_method']);
    if (accepts) return this.#become(intent, { status: 'succeeded', next_action: null });
    this.#decline(intent);
    return intent;
  }

  refund(id: string, amount: number): { id: string; object: 'refund'; status: 'succeeded' } {
    const intent = this.#in(id, ['succeeded']);
    const refunded = this.refundedOf(id);
    if (refunded === intent.amount) throw refusal(400, 'invalid_request_error', 'charge_already_refunded');
    if (refunded + amount > intent.amount) throw refusal(400, 'invalid_request_error', 'amount_too_large');
    this.#refunds.set(id, refunded + amount);
    return { id: `re_${randomUUID().replaceAll('-', '')}`, object: 'refund', status: 'succeeded' };
  }

  #in(id: string, states: readonly Status[]): Intent {
    const intent = this.get(id);
    if (states.includes(intent.status)) return intent;
    throw refusal(400, 'invalid_request_error', 'payment_intent_unexpected_state', intent);
  }

  #decline(intent: Intent): Refused {
    this.#become(intent, {
      status: 'requires_payment_method',
      payment_method: null,
      next_action: null,
      last_payment_error: { code: 'card_declined' },
    });
    return refusal(402, 'card_error', 'card_declined', intent);
  }

  #become(intent: Intent, change: Partial<Intent>): Intent {
    this.changed(Object.assign(intent, change));
    return intent;
  }
}
