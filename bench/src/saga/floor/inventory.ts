import type { PaymentsCompleted } from '@pavane/contracts';
import { type Heard, remember, type Said, type Tx } from './work.js';

/** `payments.completed`. There is enough of everything. */
export async function reserve(tx: Tx, heard: readonly Heard<PaymentsCompleted>[]): Promise<Said[]> {
  const fresh = await remember(tx, 'inventory_payments-completed', heard);
  const lines = fresh.map(({ orderId, data: { items } }) => ({ orderId, items }));
  await tx.query({
    name: 'reserve',
    text: `WITH r AS (
        INSERT INTO reservations (order_id, status, items, updated_at) SELECT "orderId", 'reserved', items, now()
        FROM jsonb_to_recordset($1) AS r ("orderId" uuid, items jsonb) RETURNING items),
      s AS (SELECT line ->> 'sku' AS sku, sum((line ->> 'quantity')::int)::int AS n FROM r, jsonb_array_elements(items) AS line GROUP BY 1)
      UPDATE stock SET available = available - n, reserved = reserved + n FROM s WHERE stock.sku = s.sku`,
    values: [JSON.stringify(lines)],
  });
  return fresh.map(({ orderId, traceparent, data: { items } }) => ({
    type: 'inventory.reserved',
    orderId,
    traceparent,
    data: { items },
  }));
}

/** `orders.confirmed`. */
export async function sell(tx: Tx, heard: readonly Heard[]): Promise<Said[]> {
  const fresh = await remember(tx, 'inventory_orders-confirmed', heard);
  await tx.query({
    name: 'sell',
    text: `WITH r AS (
        UPDATE reservations SET status = 'sold', updated_at = now() WHERE order_id = ANY ($1::uuid[]) RETURNING items),
      s AS (SELECT line ->> 'sku' AS sku, sum((line ->> 'quantity')::int)::int AS n FROM r, jsonb_array_elements(items) AS line GROUP BY 1)
      UPDATE stock SET reserved = reserved - n, sold = sold + n FROM s WHERE stock.sku = s.sku`,
    values: [fresh.map(({ orderId }) => orderId)],
  });
  return [];
}
