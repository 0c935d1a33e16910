import type { Money, OrderItem } from '@pavane/contracts';
import { type Heard, remember, type Said, type Tx } from './work.js';

/** An order that is to be placed. */
export interface Placing {
  id: string;
  customerId: string;
  email: string;
  items: OrderItem[];
  amount: number;
  currency: string;
  paymentMethod: string;
  deadlineAt: string;
  key: string;
  fingerprint: string;
  traceparent: string;
  done(): void;
}

/** POST /orders; an order whose key is taken becomes the one that has it. */
export async function place(tx: Tx, placing: readonly Placing[]): Promise<Said[]> {
  const { rows } = await tx.query<{ id: string }>({
    name: 'place',
    text: `WITH o AS (
        INSERT INTO orders (id, version, status, customer_id, email, items, amount, currency, payment_method, deadline_at, idempotency_key, fingerprint, created_at, traceparent)
        SELECT id, 1, 'pending', "customerId", email, items, amount, currency, "paymentMethod", "deadlineAt", key, fingerprint, now(), traceparent
        FROM jsonb_to_recordset($1) AS o (id uuid, "customerId" text, email text, items jsonb, amount int, currency text,
          "paymentMethod" text, "deadlineAt" timestamptz, key text, fingerprint text, traceparent text)
        ON CONFLICT (idempotency_key) DO NOTHING RETURNING id),
      h AS (INSERT INTO history (order_id, version, event, at) SELECT id, 1, 'orders.created', now() FROM o)
      SELECT id FROM o`,
    values: [JSON.stringify(placing)],
  });
  const placed = new Set(rows.map(({ id }) => id));
  for (const order of placing) if (!placed.has(order.id)) order.id = await holderOf(tx, order.key);
  return placing
    .filter(({ id }) => placed.has(id))
    .flatMap(({ id: orderId, traceparent, customerId, email, items, amount, currency, paymentMethod, deadlineAt }) => {
      const data = { customerId, email, items, total: { amount, currency }, paymentMethod, deadlineAt };
      return [
        { type: 'orders.created', orderId, traceparent, data },
        { type: 'timers.deadline', orderId, traceparent, data: { deadlineAt } },
      ];
    });
}

async function holderOf(tx: Tx, key: string): Promise<string> {
  const { rows } = await tx.query<{ id: string }>('SELECT id FROM orders WHERE idempotency_key = $1', [key]);
  return rows[0]!.id;
}

/** `payments.completed`. */
export async function notePaid(tx: Tx, heard: readonly Heard[]): Promise<Said[]> {
  const fresh = await remember(tx, 'order_payments-completed', heard);
  await tx.query({
    name: 'note paid',
    text: `WITH o AS (
        UPDATE orders SET version = version + 1, noted = noted || 'payments.completed'::text WHERE id = ANY ($1::uuid[]) RETURNING id, version)
      INSERT INTO history (order_id, version, event, at) SELECT id, version, 'payments.completed', now() FROM o`,
    values: [fresh.map(({ orderId }) => orderId)],
  });
  return [];
}

/** `inventory.reserved`. */
export async function confirm(tx: Tx, heard: readonly Heard[]): Promise<Said[]> {
  const fresh = await remember(tx, 'order_inventory-reserved', heard);
  const { rows } = await tx.query<{ orderId: string; email: string; items: OrderItem[]; total: Money }>({
    name: 'confirm',
    text: `WITH o AS (
        UPDATE orders SET version = version + 2, noted = noted || 'inventory.reserved'::text, status = 'confirmed', ended_at = now(),
          echo_due_at = now() + interval '1 minute' WHERE id = ANY ($1::uuid[]) RETURNING id, version, email, items, amount, currency),
      h AS (INSERT INTO history (order_id, version, event, at)
        SELECT id, version - 1, 'inventory.reserved', now() FROM o UNION ALL SELECT id, version, 'orders.confirmed', now() FROM o)
      SELECT id AS "orderId", email, items, jsonb_build_object('amount', amount, 'currency', currency) AS total FROM o`,
    values: [fresh.map(({ orderId }) => orderId)],
  });
  const traces = new Map(fresh.map(({ orderId, traceparent }) => [orderId, traceparent]));
  return rows.map(({ orderId, ...data }) => ({
    type: 'orders.confirmed',
    orderId,
    traceparent: traces.get(orderId)!,
    data,
  }));
}

/** `notifications.sent`. */
export async function noteTold(tx: Tx, heard: readonly Heard[]): Promise<Said[]> {
  const fresh = await remember(tx, 'order_notifications-sent', heard);
  await tx.query({
    name: 'note told',
    text: `WITH o AS (
        UPDATE orders SET version = version + 1, noted = noted || 'notifications.sent'::text, echo_due_at = NULL
        WHERE id = ANY ($1::uuid[]) RETURNING id, version)
      INSERT INTO history (order_id, version, event, at) SELECT id, version, 'notifications.sent', now() FROM o`,
    values: [fresh.map(({ orderId }) => orderId)],
  });
  return [];
}
