import type { OrdersCreated } from '@pavane/contracts';
import { type Heard, remember, type Said, type Tx } from './work.js';

/** `orders.created`: the intent, before the provider is asked. */
export async function intend(tx: Tx, heard: readonly Heard<OrdersCreated>[]): Promise<Said[]> {
  const rows = heard.map(({ orderId, traceparent, data }) => ({ orderId, traceparent, ...data }));
  await tx.query({
    name: 'intend',
    text: `INSERT INTO payments (order_id, status, amount, currency, method, items, deadline_at, due_at, updated_at, traceparent)
      SELECT "orderId", 'intended', (total ->> 'amount')::int, total ->> 'currency', "paymentMethod", items, "deadlineAt",
        now() + interval '10 seconds', now(), traceparent
      FROM jsonb_to_recordset($1) AS p ("orderId" uuid, total jsonb, "paymentMethod" text, items jsonb, "deadlineAt" timestamptz, traceparent text)
      ON CONFLICT (order_id) DO NOTHING`,
    values: [JSON.stringify(rows)],
  });
  return [];
}

/** `orders.created`, and the provider has captured the money. */
export async function capture(tx: Tx, heard: readonly Heard<OrdersCreated>[]): Promise<Said[]> {
  const fresh = await remember(tx, 'payment_orders-created', heard);
  await tx.query({
    name: 'capture',
    text: `UPDATE payments SET status = 'captured', due_at = NULL, updated_at = now() WHERE order_id = ANY ($1::uuid[])`,
    values: [fresh.map(({ orderId }) => orderId)],
  });
  return fresh.map(({ orderId, traceparent, data: { total, items } }) => ({
    type: 'payments.completed',
    orderId,
    traceparent,
    data: { amount: total, items },
  }));
}
