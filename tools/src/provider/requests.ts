import { type Call, Refused } from '../http.js';

export const METHODS = [
  'card_ok',
  'card_declined',
  'card_slow',
  'card_flaky',
  'card_lost_reply',
  'card_refund_flaky',
  'card_3ds',
] as const;

export type Method = (typeof METHODS)[number];

export interface ChargeRequest {
  key: string;
  /** Minor units. */
  amount: number;
  currency: string;
  method: Method;
}

export interface RefundRequest {
  /** Of the refund itself. */
  id: string;
  /** Of the charge. */
  key: string;
  amount: number;
}

export function chargeRequest(call: Call): ChargeRequest {
  const { currency, method } = call.body;
  if (typeof currency !== 'string' || !/^[A-Z]{3}$/.test(currency))
    throw new Refused(422, { error: 'currency must be three capital letters (ISO 4217)' });
  const known = METHODS.find((name) => name === method);
  if (known === undefined) throw new Refused(422, { error: `method must be one of ${METHODS.join(', ')}` });
  return { key: idempotencyKey(call), amount: amountOf(call), currency, method: known };
}

export function refundRequest(call: Call): RefundRequest {
  const { key } = call.body;
  if (typeof key !== 'string' || key === '') throw new Refused(422, { error: 'key must be the key of a charge' });
  return { id: idempotencyKey(call), key, amount: amountOf(call) };
}

function idempotencyKey(call: Call): string {
  const key = call.header('idempotency-key');
  if (key === undefined || key === '' || key.length > 255)
    throw new Refused(400, { error: 'the Idempotency-Key header must have 1 to 255 characters' });
  return key;
}

function amountOf({ body: { amount } }: Call): number {
  if (typeof amount !== 'number' || !Number.isSafeInteger(amount) || amount <= 0)
    throw new Refused(422, { error: 'amount must be a whole number of minor units above 0' });
  return amount;
}
