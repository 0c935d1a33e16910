import { Inject, Injectable } from '@nestjs/common';
import type { OrderItem } from '@pavane/contracts';
import { type Change, Participant, PG_POOL, type Store, type Tx } from '@pavane/outbox';
import { PrismaPg } from '@prisma/adapter-pg';
import type { Pool } from 'pg';
import { PrismaClient } from './generated/prisma/client.js';
import type { InventoryFact, InventoryMessage, Reservation, Stock, Warehouse } from './inventory.js';

/** Reads of the inventory database; writes go through the participant. */
@Injectable()
export class InventoryDatabase extends PrismaClient {
  constructor(@Inject(PG_POOL) pool: Pool) {
    super({ adapter: new PrismaPg(pool) });
  }
}

/** The one aggregate of this service; only the shelves that messages touch are loaded and locked. */
export const WAREHOUSE = 'warehouse';

const skusOf = (message: InventoryMessage): string[] =>
  'items' in message.data ? message.data.items.map((item: OrderItem) => item.sku) : [];

/** The part of the inventory service in the saga. */
export class Inventory extends Participant<Warehouse, InventoryMessage, InventoryFact> {}

/** How the warehouse maps to rows of `reservations` and `stock`. */
@Injectable()
export class InventoryStore implements Store<Warehouse, InventoryMessage, InventoryFact> {
  async load(tx: Tx, _ids: readonly string[], messages: readonly InventoryMessage[]): Promise<Map<string, Warehouse>> {
    // Always reservations before stock, and both in sorted order: two instances cannot wait for each other.
    const reservations = await tx.query<Reservation & { orderId: string }>(
      `SELECT order_id AS "orderId", status, items FROM reservations WHERE order_id = ANY ($1::uuid[]) ORDER BY order_id FOR UPDATE`,
      [messages.map((message) => message.orderId)],
    );
    const skus = new Set([
      ...messages.flatMap(skusOf),
      ...reservations.rows.flatMap(({ items }) => items.map((item) => item.sku)),
    ]);
    const stock = await tx.query<Stock & { sku: string }>(
      `SELECT sku, available, reserved, sold FROM stock WHERE sku = ANY ($1) ORDER BY sku FOR UPDATE`,
      [[...skus]],
    );
    return new Map([
      [
        WAREHOUSE,
        {
          reservations: new Map(reservations.rows.map(({ orderId, ...reservation }) => [orderId, reservation])),
          stock: new Map(stock.rows.map(({ sku, ...pieces }) => [sku, pieces])),
        },
      ],
    ]);
  }

  async save(tx: Tx, changes: readonly Change<Warehouse, InventoryFact>[]): Promise<void> {
    for (const { state, facts, at } of changes) {
      const touched = [...new Set(facts.map(({ orderId }) => orderId))].sort();
      const reservations = touched.map((id) => ({ id, ...state.reservations.get(id) }));
      await tx.query(
        `INSERT INTO reservations (order_id, status, items, updated_at)
         SELECT id, status, items, $2 FROM jsonb_to_recordset($1) AS r (id uuid, status text, items jsonb)
         ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, items = excluded.items, updated_at = excluded.updated_at`,
        [JSON.stringify(reservations), at],
      );
      await tx.query(
        `UPDATE stock SET available = s.available, reserved = s.reserved, sold = s.sold
         FROM jsonb_to_recordset($1) AS s (sku text, available int, reserved int, sold int) WHERE stock.sku = s.sku
           AND (stock.available, stock.reserved, stock.sold) IS DISTINCT FROM (s.available, s.reserved, s.sold)`,
        [JSON.stringify([...state.stock].map(([sku, pieces]) => ({ sku, ...pieces })))],
      );
    }
  }
}
