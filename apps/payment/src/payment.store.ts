import { Injectable } from '@nestjs/common';
import type { Change, Store, Tx } from '@pavane/outbox';
import type { Charge, Payment, PaymentFact, PaymentMessage } from './payment.js';

/** How long a handler may wait for the provider before its intent is stale and the reconciler takes over. */
const STALE_INTENT_MS = 10_000;

type Row = {
  orderId: string;
  status: Payment['status'];
  cancelRequested: boolean;
  amount: number | null;
  currency: string;
} & Omit<Charge, 'amount'>;

/** How a payment maps to a row of `payments`. */
@Injectable()
export class PaymentStore implements Store<Payment, PaymentMessage, PaymentFact> {
  async load(tx: Tx, orderIds: readonly string[]): Promise<Map<string, Payment>> {
    const { rows } = await tx.query<Row>(
      `SELECT order_id AS "orderId", status, cancel_requested AS "cancelRequested", amount, currency, method, items, deadline_at AS "deadlineAt"
       FROM payments WHERE order_id = ANY ($1::uuid[]) ORDER BY order_id FOR UPDATE`,
      [orderIds],
    );
    return new Map(
      rows.map(({ orderId, status, cancelRequested, amount, currency, ...charge }) => [
        orderId,
        { status, cancelRequested, ...(amount !== null && { charge: { ...charge, amount: { amount, currency } } }) },
      ]),
    );
  }

  async save(tx: Tx, changes: readonly Change<Payment, PaymentFact>[]): Promise<void> {
    const rows = changes.map(({ id, state: { charge, ...payment }, at, traceparent }) => ({
      ...payment,
      ...charge,
      ...charge?.amount,
      id,
      at,
      traceparent,
      due: dueOf(payment, at),
    }));
    await tx.query(
      `INSERT INTO payments (order_id, status, cancel_requested, amount, currency, method, items, deadline_at, due_at, updated_at, traceparent)
       SELECT id, status, "cancelRequested", amount, currency, method, items, "deadlineAt", due, at, traceparent
       FROM jsonb_to_recordset($1) AS p (id uuid, status text, "cancelRequested" boolean, amount int, currency text, method text, items jsonb,
         "deadlineAt" timestamptz, due timestamptz, at timestamptz, traceparent text)
       ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, cancel_requested = excluded.cancel_requested,
         due_at = excluded.due_at, tries = 0, updated_at = excluded.updated_at`,
      [JSON.stringify(rows)],
    );
  }
}

/** When the reconciler is to look at a payment; never, once nothing is open. */
function dueOf({ status, cancelRequested }: Payment, at: Date): Date | null {
  if (status === 'refund_pending' || (status === 'intended' && cancelRequested)) return at;
  return status === 'intended' ? new Date(at.getTime() + STALE_INTENT_MS) : null;
}
