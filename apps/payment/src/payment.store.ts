import { Inject, Injectable } from '@nestjs/common';
import { type Change, PG_POOL, type Store, type Tx } from '@pavane/outbox';
import type { Pool } from 'pg';
import type { Charge, Payment, PaymentFact, PaymentMessage } from './payment.js';

/** How long a handler may wait for the provider before its intent is stale and the reconciler takes over. */
const STALE_INTENT_MS = 10_000;

const COLUMNS = `order_id AS "orderId", status, cancel_requested AS "cancelRequested", amount, currency, method, items, deadline_at AS "deadlineAt"`;

type Row = {
  orderId: string;
  status: Payment['status'];
  cancelRequested: boolean;
  amount: number | null;
  currency: string;
} & Omit<Charge, 'amount'>;

/** A payment the provider still has to answer for, and the trace of its order. */
export interface OpenPayment {
  orderId: string;
  status: 'intended' | 'refund_pending';
  cancelRequested: boolean;
  charge: Charge;
  traceparent: string | null;
}

/** How a payment maps to a row of `payments`. */
@Injectable()
export class PaymentStore implements Store<Payment, PaymentMessage, PaymentFact> {
  constructor(@Inject(PG_POOL) private readonly pool: Pool) {}

  /** What is due, claimed by moving the next try ahead (up to 8 s), so that two instances do not both ask. */
  async claimDue(limit: number): Promise<OpenPayment[]> {
    const { rows } = await this.pool.query<Row & OpenPayment>(
      `UPDATE payments SET tries = tries + 1, due_at = now() + 2 ^ least(tries, 3) * interval '1 s' WHERE order_id IN (
         SELECT order_id FROM payments WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}, traceparent`,
      [limit],
    );
    return rows.map(({ orderId, status, cancelRequested, traceparent, amount, currency, ...charge }) => ({
      orderId,
      status,
      cancelRequested,
      traceparent,
      charge: { ...charge, amount: { amount: amount!, currency } },
    }));
  }

  /** Makes an intent due soon and its waits short again, because the provider was reached and its answer is unknown. */
  async retrySoon(orderId: string): Promise<void> {
    await this.pool.query(
      `UPDATE payments SET due_at = now() + interval '250 ms', tries = 0 WHERE order_id = $1 AND status = 'intended'`,
      [orderId],
    );
  }

  /** How long the oldest refund has been owed, in seconds; 0 when none is. */
  async oldestOwedSeconds(): Promise<number> {
    const { rows } = await this.pool.query<{ seconds: number | null }>(
      `SELECT extract(epoch FROM now() - min(updated_at))::float AS seconds FROM payments
       WHERE due_at IS NOT NULL AND status = 'refund_pending'`,
    );
    return rows[0]?.seconds ?? 0;
  }

  async load(tx: Tx, orderIds: readonly string[]): Promise<Map<string, Payment>> {
    const { rows } = await tx.query<Row>(
      `SELECT ${COLUMNS} FROM payments WHERE order_id = ANY ($1::uuid[]) ORDER BY order_id FOR UPDATE`,
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
