import { type Charge, mayCharge } from './payment.js';

/** What the provider finally did with a charge. */
export type Settlement = 'captured' | 'declined' | 'voided';

/** What the provider said of a charge. `reference` is its own name for it, stored as soon as it is known. */
export type Answer =
  | { type: Settlement; reference?: string }
  /** The customer has to do something first, such as 3-D Secure; the payment then completes without another charge. */
  | { type: 'waiting'; reference?: string; customerUrl: string };

/** No answer, or none that settles the charge: the same question may be asked again. */
export interface Unknown {
  type: 'unknown';
  reference?: string;
  /** The provider wants to be left alone for so long. */
  retryAfterMs?: number;
}

/** A payment as the provider is asked about it. The order id is the idempotency key of everything asked. */
export interface Payable {
  orderId: string;
  charge: Charge;
  /** Absent while no answer has told it. */
  reference?: string;
}

/** A request of the provider that says something has happened, as it came. */
export interface Notice {
  header(name: string): string | undefined;
  body: Buffer;
}

/** A notice that the provider did not sign, or signed too long ago. */
export class UntrustedNotice extends Error {
  readonly code = 'UNTRUSTED_NOTICE';
  override name = 'UntrustedNotice';
}

/**
 * Where money moves. Every call may be made again with the same payment, and does nothing twice. A call that the
 * provider has certainly not acted on, and would not for any other payment either, rejects with `RetryLater`.
 * `payment.provider.conformance.ts` checks all of it against any adapter.
 */
export abstract class PaymentProvider {
  /** Brings an intent to an end: charges it, or voids it once it may not be charged any more. */
  settle(payment: Payable & { cancelRequested: boolean }, now: Date): Promise<Answer | Unknown> {
    return mayCharge(payment, now) ? this.charge(payment) : this.void(payment);
  }

  /** Charges once. */
  abstract charge(payment: Payable): Promise<Answer | Unknown>;
  /** Sees to it that no charge of this order captures money from now on; `captured` when one already did. */
  abstract void(payment: Payable): Promise<Answer | Unknown>;
  /** Gives all of the captured money back, once. Resolves to whether it did. */
  abstract refund(payment: Payable): Promise<boolean>;
  /**
   * The order that a notice is about, `undefined` when it is about none. Whoever hears of one asks the provider what
   * became of it, so that notices may come twice, late and in any order.
   * @throws UntrustedNotice
   */
  abstract orderOf(notice: Notice): string | undefined;
}
