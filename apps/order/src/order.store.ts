import { Inject, Injectable } from '@nestjs/common';
import { type Change, Participant, PG_POOL, type Store, type Tx } from '@pavane/outbox';
import { PrismaPg } from '@prisma/adapter-pg';
import type { Pool } from 'pg';
import { PrismaClient } from './generated/prisma/client.js';
import { isEchoed, type Order, type OrderFact, type OrderMessage, type PlacedOrder } from './order.js';

/** Reads of the order database; writes go through the participant. */
@Injectable()
export class OrderDatabase extends PrismaClient {
  constructor(@Inject(PG_POOL) pool: Pool) {
    super({ adapter: new PrismaPg(pool) });
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

const SELECT = `SELECT id, version, status, reason, noted, customer_id AS "customerId", email, items, amount, currency,
  payment_method AS "paymentMethod", deadline_at AS "deadlineAt", idempotency_key AS "idempotencyKey", fingerprint FROM orders`;

const orderOf = ({ id, version, status, reason, noted, amount, currency, ...placed }: Row): Order => ({
  id,
  version,
  status,
  noted,
  entries: [],
  placed: { ...placed, total: { amount, currency } },
  ...(reason && { reason }),
});

/** How long past its deadline an order waits for the timer. */
const TIMER_GRACE_MS = 2000;
/** How long after an ending its echoes may take before it is said again; the wait doubles each time. */
const ECHO_WITHIN_MS = 60_000;
const MOST_RESAID = 8;
/** How long after an ending it is not said again as long as the broker still holds it for somebody. */
const HELD_WITHIN_MS = 3_600_000;

/** An order somebody has to look after, and the trace it was placed in. */
export interface Unattended {
  id: string;
  deadlineAt: Date;
  traceparent: string | null;
  /** How often its ending was said again. */
  resaid: number;
}

/** An order whose ending not everybody was seen to act on in time. */
export interface Unechoed {
  id: string;
  status: Exclude<Order['status'], 'pending'>;
  endedAt: Date;
  /** Whether it ended so recently that whoever should act on it may just be busy with what came before. */
  isRecent: boolean;
}

/** What is under way, and what ended of late. */
export interface UnderWay {
  /** The deadline of the orders that end now (their median); those with a later one are queued. */
  frontier: string | null;
  queued: number;
  /** When the first of these was placed. */
  oldestAt: Date | null;
  /** Orders that were worked off: confirmed, or cancelled because payment or inventory said no. */
  ended: number;
  /** When the last of these ended. */
  lastEndedAt: Date | null;
  /** From placing to ending, the median of these. */
  tookMs: number | null;
}

/** Endings that took the work of others; customers and deadlines end an order whatever the others do. */
const WORKED_OFF = `ended_at IS NOT NULL AND (reason IS NULL OR reason IN ('payment_failed', 'out_of_stock'))`;

/** An order as it is now, and the entries of its history that were not known yet. */
export interface OrderNews extends Pick<Order, 'status' | 'noted'> {
  entries: { event: string; at: Date }[];
}

/** The part of the order service in the saga. */
export class Orders extends Participant<Order, OrderMessage, OrderFact> {}

/** How an order maps to rows of `orders` and `history`. */
@Injectable()
export class OrderStore implements Store<Order, OrderMessage, OrderFact> {
  constructor(@Inject(PG_POOL) private readonly pool: Pool) {}

  /**
   * Counts what is under way in all instances. Orders that later ones have overtaken wait for something of their own, such as
   * their customer, and are not queued; `frontier` is what the last look found, for when nothing has ended since.
   */
  async underWay(since: Date, frontier: string | null): Promise<UnderWay> {
    const { rows } = await this.pool.query<UnderWay>({
      name: 'orders_under_way',
      text: `WITH ended AS (SELECT deadline_at, ended_at, ended_at - created_at AS took FROM orders WHERE ended_at > $1 AND ${WORKED_OFF}),
        seen AS (SELECT count(*)::int AS ended, max(ended_at) AS "lastEndedAt", extract(epoch FROM percentile_disc(0.5) WITHIN GROUP (ORDER BY took))::float8 * 1000 AS "tookMs",
          coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY deadline_at), $2::timestamptz,
            (SELECT deadline_at FROM orders WHERE ${WORKED_OFF} ORDER BY ended_at DESC LIMIT 1)) AS frontier FROM ended)
        SELECT ended, "lastEndedAt", "tookMs", frontier::text, queued, "oldestAt" FROM seen, LATERAL (
          SELECT count(*)::int AS queued, min(created_at) AS "oldestAt" FROM orders
          WHERE status = 'pending' AND deadline_at > coalesce(frontier, '-infinity')) AS line`,
      values: [since, frontier],
    });
    return rows[0]!;
  }

  /** Those of these keys under which an order was placed. */
  async taken(keys: readonly string[]): Promise<Set<string>> {
    const { rows } = await this.pool.query<{ key: string }>({
      name: 'orders_taken',
      text: 'SELECT idempotency_key AS key FROM orders WHERE idempotency_key = ANY ($1)',
      values: [keys],
    });
    return new Set(rows.map(({ key }) => key));
  }

  /** Pending orders whose timer should have come by now. */
  async late(limit: number): Promise<Unattended[]> {
    const { rows } = await this.pool.query<Unattended>(
      `SELECT id, deadline_at AS "deadlineAt", traceparent, resaid FROM orders
       WHERE status = 'pending' AND deadline_at < now() - $1 * interval '1 ms' ORDER BY deadline_at LIMIT $2`,
      [TIMER_GRACE_MS, limit],
    );
    return rows;
  }

  /** Ended orders without their echoes. */
  async unechoed(limit: number): Promise<Unechoed[]> {
    const { rows } = await this.pool.query<Unechoed>(
      `SELECT id, status, ended_at AS "endedAt", ended_at > now() - $1 * interval '1 ms' AS "isRecent" FROM orders
       WHERE echo_due_at < now() AND resaid < $2 ORDER BY echo_due_at LIMIT $3`,
      [HELD_WITHIN_MS, MOST_RESAID, limit],
    );
    return rows;
  }

  /** Gives the echoes of these orders as long again as they had. */
  async awaitEchoes(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.pool.query(
      `UPDATE orders SET echo_due_at = now() + greatest(now() - ended_at, $1 * interval '1 ms')
       WHERE id = ANY ($2::uuid[]) AND echo_due_at < now()`,
      [ECHO_WITHIN_MS, ids],
    );
  }

  /**
   * Those of these orders that still wait for their echoes, claimed by moving their next turn, so that two instances do not
   * both take them.
   */
  async claimUnechoed(ids: readonly string[]): Promise<Unattended[]> {
    if (ids.length === 0) return [];
    const { rows } = await this.pool.query<Unattended>(
      `UPDATE orders SET resaid = resaid + 1, echo_due_at = now() + $1 * 2 ^ (resaid + 1) * interval '1 ms'
       WHERE id IN (SELECT id FROM orders WHERE id = ANY ($3::uuid[]) AND echo_due_at < now() AND resaid < $2 FOR UPDATE SKIP LOCKED)
       RETURNING id, deadline_at AS "deadlineAt", traceparent, resaid`,
      [ECHO_WITHIN_MS, MOST_RESAID, ids],
    );
    return rows;
  }

  /** Ended orders whose ending was said as often as it makes sense; from now on nobody waits for their echoes. */
  async giveUpUnechoed(): Promise<string[]> {
    const { rows } = await this.pool.query<{ id: string }>(
      `UPDATE orders SET echo_due_at = NULL WHERE id IN (
         SELECT id FROM orders WHERE echo_due_at < now() AND resaid >= $1 ORDER BY echo_due_at LIMIT 100 FOR UPDATE SKIP LOCKED) RETURNING id`,
      [MOST_RESAID],
    );
    return rows.map(({ id }) => id);
  }

  /** Of these orders, given with the number of entries known of each, those that exist and have more. */
  async news(known: ReadonlyMap<string, number>): Promise<Map<string, OrderNews>> {
    const { rows } = await this.pool.query<Omit<OrderNews, 'entries'> & { id: string; event: string; at: Date }>(
      `SELECT o.id, o.status, o.noted, h.event, h.at FROM unnest($1::uuid[], $2::int[]) AS known (id, entries)
       JOIN orders o ON o.id = known.id AND o.version > known.entries
       JOIN history h ON h.order_id = o.id AND h.version > known.entries ORDER BY h.order_id, h.version`,
      [[...known.keys()], [...known.values()]],
    );
    const news = new Map<string, OrderNews>();
    for (const { id, status, noted, event, at } of rows) {
      const { entries } = news.get(id) ?? { entries: [] };
      news.set(id, { status, noted, entries: [...entries, { event, at }] });
    }
    return news;
  }

  /** Who is to be placed under a key that another order has is that order. */
  async load(tx: Tx, ids: readonly string[], messages: readonly OrderMessage[] = []): Promise<Map<string, Order>> {
    const { rows } = await tx.query<Row>(`${SELECT} WHERE id = ANY ($1::uuid[]) ORDER BY id FOR UPDATE`, [ids]);
    const orders = new Map(rows.map((row) => [row.id, orderOf(row)]));
    const placing = messages.filter((message) => message.type === 'place');
    if (placing.length === 0) return orders;
    // Looked up here, because a clash of keys would undo the whole set, again and again when customers are impatient.
    const taken = await tx.query<Row>(`${SELECT} WHERE idempotency_key = ANY ($1)`, [
      placing.map(({ data }) => data.idempotencyKey),
    ]);
    const byKey = new Map(taken.rows.map((row) => [row.idempotencyKey, orderOf(row)]));
    for (const { orderId, data } of placing) {
      const holder = byKey.get(data.idempotencyKey);
      if (holder) orders.set(orderId, holder);
    }
    return orders;
  }

  async save(tx: Tx, changes: readonly Change<Order, OrderFact>[]): Promise<void> {
    const rows = changes.map(({ state, state: { placed, ...order }, at, traceparent }) => ({
      ...order,
      ...placed,
      ...placed!.total,
      at,
      traceparent,
      ended_at: order.status === 'pending' ? null : at,
      echo_due_at: order.status === 'pending' || isEchoed(state) ? null : new Date(at.getTime() + ECHO_WITHIN_MS),
    }));
    await tx.query(
      `INSERT INTO orders (id, version, status, reason, noted, customer_id, email, items, amount, currency, payment_method, deadline_at, idempotency_key, fingerprint, created_at, ended_at, echo_due_at, traceparent)
       SELECT id, version, status, reason, noted, "customerId", email, items, amount, currency, "paymentMethod", "deadlineAt", "idempotencyKey", fingerprint, at, ended_at, echo_due_at, traceparent
       FROM jsonb_to_recordset($1) AS o (id uuid, version int, status text, reason text, noted text[], "customerId" text, email text, items jsonb, amount int,
         currency text, "paymentMethod" text, "deadlineAt" timestamptz, "idempotencyKey" text, fingerprint text, at timestamptz, ended_at timestamptz, echo_due_at timestamptz,
         traceparent text)
       ON CONFLICT (id) DO UPDATE SET version = excluded.version, status = excluded.status, reason = excluded.reason, noted = excluded.noted,
         ended_at = coalesce(orders.ended_at, excluded.ended_at),
         echo_due_at = CASE WHEN excluded.echo_due_at IS NOT NULL THEN greatest(orders.echo_due_at, excluded.echo_due_at) END`,
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
