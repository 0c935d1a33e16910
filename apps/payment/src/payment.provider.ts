import { type Charge, mayCharge, type Payment, type Settlement } from './payment.js';

/** Where money moves. Every call names the order as its idempotency key, so that it may be made again. */
export abstract class PaymentProvider {
  /** Brings an intent to an end: charges it, or voids it once it may not be charged any more. */
  settle(orderId: string, { charge, cancelRequested }: Pick<Payment, 'cancelRequested' | 'charge'>, now: Date) {
    return charge && mayCharge({ charge, cancelRequested }, now) ? this.charge(orderId, charge) : this.void(orderId);
  }

  /** Charges once per order. `unknown`: no answer, or none that settles it; ask again with the same order id. */
  abstract charge(orderId: string, charge: Charge): Promise<Settlement | 'unknown'>;
  /** Sees to it that no charge of this order captures money from now on; `captured` when one already did. */
  abstract void(orderId: string): Promise<Settlement | 'unknown'>;
  /** Gives captured money back, once per order. Resolves to whether it did. */
  abstract refund(orderId: string, amount: number): Promise<boolean>;
}
