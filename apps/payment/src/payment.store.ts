import { Inject, Injectable } from '@nestjs/common';
import { type Change, Participant, PG_POOL, type Store, type Tx } from '@pavane/outbox';
import type { Pool } from 'pg';
import type { Charge, Payment, PaymentFact, PaymentMessage } from './payment.js';
import type { Payable, Unknown } from './payment.provider.js';

/** How long a handler may wait for the provider before its intent is stale and the reconciler takes over. */
const STALE_INTENT_MS = 10_000;
/** How soon the provider is first asked what the customer did, in case that it does not tell. */
const CUSTOMER_MS = 1000;

const COLUMNS = `order_id AS "orderId", status, cancel_requested AS "cancelRequested", amount, currency, method, items, deadline_at AS "deadlineAt", reference, customer_url AS "customerUrl"`;

/** That nothing is to be done but to wait for the customer. */
const IS_WAITING = `status = 'intended' AND NOT cancel_requested AND customer_url IS NOT NULL`;

interface Row extends Omit<Charge, 'amount'> {
  orderId: string;
  status: Payment['status'];
  cancelRequested: boolean;
  amount: number | null;
  currency: string;
  reference: string | null;
  customerUrl: string | null;
}

/** A payment the provider still has to answer for, and the trace of its order. */
export interface OpenPayment extends Payable {
  status: 'intended' | 'refund_pending';
  cancelRequested: boolean;
  traceparent: string | null;
}

/** The part of the payment service in the saga. */
export class Payments extends Participant<Payment, PaymentMessage, PaymentFact> {}

/** How a payment maps to a row of `payments`. */
@Injectable()
export class PaymentStore implements Store<Payment, PaymentMessage, PaymentFact> {
  constructor(@Inject(PG_POOL) private readonly pool: Pool) {}

  /**
   * What is due, claimed by moving the next try ahead, so that two instances do not both ask: up to 8 s, and up to 32 s
   * while the provider waits for the customer and will say when that is over.
   */
  async claimDue(limit: number): Promise<OpenPayment[]> {
    const { rows } = await this.pool.query<Row & { status: OpenPayment['status']; traceparent: string | null }>(
      `UPDATE payments SET tries = tries + 1,
         due_at = now() + 2 ^ least(tries, CASE WHEN ${IS_WAITING} THEN 5 ELSE 3 END) * interval '1 s'
       WHERE order_id IN (
         SELECT order_id FROM payments WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING ${COLUMNS}, traceparent`,
      [limit],
    );
    return rows.map((row) => {
      const { orderId, status, cancelRequested, traceparent } = row;
      return {
        orderId,
        status,
        cancelRequested,
        traceparent,
        charge: chargeOf(row),
        reference: row.reference ?? undefined,
      };
    });
  }

  /** Keeps what an answer without an outcome told, and has the provider asked again after as long as it wants, if it said so. */
  async keepOpen(orderId: string, { reference, retryAfterMs }: Omit<Unknown, 'type'>): Promise<void> {
    await this.pool.query(
      `UPDATE payments SET reference = coalesce($2, reference), tries = CASE WHEN $3::float IS NULL THEN tries ELSE 0 END,
         due_at = coalesce(now() + $3::float * interval '1 ms', due_at)
       WHERE order_id = $1 AND status IN ('intended', 'refund_pending')`,
      [orderId, reference, retryAfterMs],
    );
  }

  /** Makes an open payment due now. Resolves to whether it is open. */
  async askNow(orderId: string): Promise<boolean> {
    const { rowCount } = await this.pool.query(
      `UPDATE payments SET due_at = now(), tries = 0 WHERE order_id = $1 AND status = 'intended'`,
      [orderId],
    );
    return rowCount === 1;
  }

  /**
   * For how long the oldest intent has had no outcome, and the oldest refund has been owed, in seconds; 0 when there is
   * none. A customer who is waited for has until the deadline.
   */
  async oldestSeconds(): Promise<{ openIntent: number; refundPending: number }> {
    const { rows } = await this.pool.query<{ openIntent: number | null; refundPending: number | null }>(
      `SELECT extract(epoch FROM now() - min(CASE WHEN customer_url IS NULL THEN created_at ELSE deadline_at END)
           FILTER (WHERE status = 'intended'))::float AS "openIntent",
         extract(epoch FROM now() - min(updated_at) FILTER (WHERE status = 'refund_pending'))::float AS "refundPending"
       FROM payments WHERE due_at IS NOT NULL`,
    );
    const { openIntent, refundPending } = rows[0]!;
    return { openIntent: Math.max(openIntent ?? 0, 0), refundPending: refundPending ?? 0 };
  }

  async load(tx: Tx, orderIds: readonly string[]): Promise<Map<string, Payment>> {
    const { rows } = await tx.query<Row>(
      `SELECT ${COLUMNS} FROM payments WHERE order_id = ANY ($1::uuid[]) ORDER BY order_id FOR UPDATE`,
      [orderIds],
    );
    return new Map(rows.map((row) => [row.orderId, paymentOf(row)]));
  }

  /** The payment as it is now, without a lock. */
  async find(orderId: string): Promise<Payment | undefined> {
    const { rows } = await this.pool.query<Row>(`SELECT ${COLUMNS} FROM payments WHERE order_id = $1`, [orderId]);
    return rows[0] && paymentOf(rows[0]);
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
      `INSERT INTO payments (order_id, status, cancel_requested, amount, currency, method, items, deadline_at, due_at, updated_at, traceparent,
         reference, customer_url)
       SELECT id, status, "cancelRequested", amount, currency, method, items, "deadlineAt", due, at, traceparent, reference, "customerUrl"
       FROM jsonb_to_recordset($1) AS p (id uuid, status text, "cancelRequested" boolean, amount int, currency text, method text, items jsonb,
         "deadlineAt" timestamptz, due timestamptz, at timestamptz, traceparent text, reference text, "customerUrl" text)
       ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, cancel_requested = excluded.cancel_requested,
         reference = coalesce(excluded.reference, payments.reference), customer_url = excluded.customer_url,
         due_at = excluded.due_at, tries = 0, updated_at = excluded.updated_at`,
      [JSON.stringify(rows)],
    );
  }
}

const chargeOf = ({ amount, currency, method, items, deadlineAt }: Row): Charge => ({
  ...{ method, items, deadlineAt },
  amount: { amount: amount!, currency },
});

const paymentOf = (row: Row): Payment => ({
  status: row.status,
  cancelRequested: row.cancelRequested,
  ...(row.amount !== null && { charge: chargeOf(row) }),
  ...(row.reference !== null && { reference: row.reference }),
  ...(row.customerUrl !== null && { customerUrl: row.customerUrl }),
});

/** When the reconciler is to look at a payment; never, once nothing is open. */
function dueOf({ status, cancelRequested, customerUrl }: Payment, at: Date): Date | null {
  if (status === 'refund_pending' || (status === 'intended' && cancelRequested)) return at;
  const waitMs = customerUrl ? CUSTOMER_MS : STALE_INTENT_MS;
  return status === 'intended' ? new Date(at.getTime() + waitMs) : null;
}
