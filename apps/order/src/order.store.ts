import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { type Change, PG_POOL, type Store, type Tx } from '@pavane/outbox';
import { PrismaPg } from '@prisma/adapter-pg';
import type { Pool } from 'pg';
import { PrismaClient } from './generated/prisma/client.js';
import type { Order, OrderFact, OrderMessage, PlacedOrder } from './order.js';

/** Reads of the order database; writes go through the participant. */
@Injectable()
export class OrderDatabase extends PrismaClient implements OnModuleDestroy {
  constructor(@Inject(PG_POOL) pool: Pool) {
    super({ adapter: new PrismaPg(pool) });
  }
  async onModuleDestroy(): Promise<void> {
    await this.$disconnect();
  }
}

type Row = {
  id: string;
  version: number;
  status: Order['status'];
  reason: Order['reason'] | null;
  noted: string[];
} & Omit<PlacedOrder, 'total'> & {
    amount: number;
    currency: string;
  };

/** How an order maps to rows of `orders` and `history`. */
@Injectable()
export class OrderStore implements Store<Order, OrderMessage, OrderFact> {
  async load(tx: Tx, ids: readonly string[]): Promise<Map<string, Order>> {
    const { rows } = await tx.query<Row>(
      `SELECT id, version, status, reason, noted, customer_id AS "customerId", email, items, amount, currency, payment_method AS "paymentMethod",
         deadline_at AS "deadlineAt", idempotency_key AS "idempotencyKey", fingerprint
       FROM orders WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE`,
      [ids],
    );
    return new Map(
      rows.map(({ id, version, status, reason, noted, amount, currency, ...placed }) => [
        id,
        {
          id,
          version,
          status,
          noted,
          entries: [],
          placed: { ...placed, total: { amount, currency } },
          ...(reason && { reason }),
        },
      ]),
    );
  }

  async save(tx: Tx, changes: readonly Change<Order, OrderFact>[]): Promise<void> {
    const rows = changes.map(({ state: { placed, entries: _, ...order }, at, traceparent }) => ({
      ...order,
      ...placed,
      ...placed!.total,
      at,
      traceparent,
      ended_at: order.status === 'pending' ? null : at,
    }));
    await tx.query(
      `INSERT INTO orders (id, version, status, reason, noted, customer_id, email, items, amount, currency, payment_method, deadline_at, idempotency_key, fingerprint, created_at, ended_at, traceparent)
       SELECT id, version, status, reason, noted, "customerId", email, items, amount, currency, "paymentMethod", "deadlineAt", "idempotencyKey", fingerprint, at, ended_at, traceparent
       FROM jsonb_to_recordset($1) AS o (id uuid, version int, status text, reason text, noted text[], "customerId" text, email text, items jsonb, amount int,
         currency text, "paymentMethod" text, "deadlineAt" timestamptz, "idempotencyKey" text, fingerprint text, at timestamptz, ended_at timestamptz, traceparent text)
       ON CONFLICT (id) DO UPDATE SET version = excluded.version, status = excluded.status, reason = excluded.reason, noted = excluded.noted,
         ended_at = coalesce(orders.ended_at, excluded.ended_at)`,
      [JSON.stringify(rows)],
    );
    const history = changes.flatMap(({ id, state: { version, entries }, at }) =>
      entries.map((event, i) => ({ id, version: version - entries.length + i + 1, event, at })),
    );
    await tx.query(
      `INSERT INTO history (order_id, version, event, at)
       SELECT id, version, event, at FROM jsonb_to_recordset($1) AS h (id uuid, version int, event text, at timestamptz)`,
      [JSON.stringify(history)],
    );
  }
}
