import type { CancelReason, Money, Outcome } from '@pavane/contracts';
import { messageIdOf } from './notification.js';

/** A mail to a customer. */
export interface Mail {
  /** The same for every try, so that a mail sent twice counts as one. */
  messageId: string;
  to: string;
  subject: string;
  text: string;
}

const money = ({ amount, currency }: Money): string => `${(amount / 100).toFixed(2)} ${currency}`;

const REASONS: Record<CancelReason, string> = {
  payment_failed: 'the payment was declined',
  out_of_stock: 'something you ordered is out of stock; what you paid is being refunded',
  deadline_passed: 'it could not be completed in time; what you paid is being refunded',
  customer_request: 'you asked us to; what you paid is being refunded',
};

/** The mail that tells a customer how an order ended; with a reason it was cancelled. */
export function mailOf(
  orderId: string,
  { email, total, reason }: { email: string; total: Money; reason?: CancelReason },
): Mail {
  const outcome: Outcome = reason ? 'cancelled' : 'confirmed';
  return {
    messageId: messageIdOf(orderId, outcome),
    to: email,
    subject: `Your order ${orderId} is ${outcome}`,
    text: reason
      ? `Your order over ${money(total)} was cancelled: ${REASONS[reason]}.\n`
      : `Thank you. Your order over ${money(total)} is confirmed and on its way.\n`,
  };
}
