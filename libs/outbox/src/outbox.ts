import { toHeaders } from '@pavane/jetstream';
import type { Tx } from './database.js';
import type { Trace } from './trace.js';

/** What a fact becomes when it is said to others. */
export interface Outbound {
  readonly subject: string;
  /** CloudEvents type, e.g. `orders.created.v1`. */
  readonly type: string;
  readonly source: string;
  readonly data: object;
  /** Headers beside those of CloudEvents. */
  readonly headers?: Record<string, string>;
}

/** A stored message, as the relay publishes it. */
export interface OutboxRow {
  readonly id: string;
  readonly aggregateId: string;
  readonly subject: string;
  readonly headers: Record<string, string>;
  /** JSON text. */
  readonly data: string;
  /** The id the broker is to know the message by; that of the event when it is not said. */
  readonly messageId?: string;
}

/** Turns what is to be said about an aggregate into a row; `trace` carries `traceparent` and `tracestate` where there is a trace. */
export function rowOf(id: string, aggregateId: string, out: Outbound, at: Date, trace: Trace): OutboxRow {
  const event = { id, type: out.type, source: out.source, subject: aggregateId, time: at.toISOString(), ...trace };
  return {
    id,
    aggregateId,
    subject: out.subject,
    headers: { ...toHeaders(event), ...out.headers },
    data: JSON.stringify(out.data),
  };
}

/** Stores rows, leased to this process for `leaseMs` so that no sweep takes them while it publishes them from memory. */
export async function storeRows(tx: Tx, rows: readonly OutboxRow[], leaseMs: number): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(
    `INSERT INTO messaging.outbox (id, aggregate_id, subject, headers, data, leased_until)
     SELECT id, aggregate_id, subject, headers, data, now() + $6 * interval '1 millisecond'
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::jsonb[]) AS r (id, aggregate_id, subject, headers, data)`,
    [
      rows.map((r) => r.id),
      rows.map((r) => r.aggregateId),
      rows.map((r) => r.subject),
      rows.map((r) => JSON.stringify(r.headers)),
      rows.map((r) => r.data),
      leaseMs,
    ],
  );
}

/** What the broker is to know row `o` by: the event's id, and an id of its own after each replay. */
const MESSAGE_ID = `o.id || CASE WHEN o.waiting_since > o.created_at THEN ':' || extract(epoch FROM o.waiting_since) ELSE '' END`;

/**
 * Takes up to `limit` unpublished rows nobody holds a lease on, oldest first, and leases them to the caller. A row whose
 * aggregate has an earlier one under a lease waits for that.
 */
export async function claimRows(db: Tx, limit: number, leaseMs: number): Promise<OutboxRow[]> {
  const { rows } = await db.query<OutboxRow>(
    `WITH claimed AS (
       SELECT id FROM messaging.outbox o WHERE published_at IS NULL AND quarantined IS NULL AND leased_until < now()
         AND NOT EXISTS (SELECT FROM messaging.outbox e WHERE e.aggregate_id = o.aggregate_id AND e.id < o.id
           AND e.published_at IS NULL AND e.quarantined IS NULL AND e.leased_until >= now())
       ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
     UPDATE messaging.outbox o SET leased_until = now() + $2 * interval '1 millisecond' FROM claimed
     WHERE o.id = claimed.id
     RETURNING o.id, o.aggregate_id AS "aggregateId", o.subject, o.headers, o.data::text AS data, ${MESSAGE_ID} AS "messageId"`,
    [limit, leaseMs],
  );
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** Marks rows as published, but for those that a replay has asked for again since. */
export async function markPublished(db: Tx, rows: readonly Pick<OutboxRow, 'id' | 'messageId'>[]): Promise<void> {
  await db.query(
    `UPDATE messaging.outbox o SET published_at = now() WHERE id = ANY ($1::uuid[]) AND ${MESSAGE_ID} = ANY ($2::text[])`,
    [rows.map(({ id }) => id), rows.map(({ id, messageId }) => messageId ?? id)],
  );
}

/** Sets a row aside that can never be published, with the reason; it stays until somebody looks at it. */
export async function quarantine(db: Tx, id: string, reason: string): Promise<void> {
  await db.query('UPDATE messaging.outbox SET quarantined = $2 WHERE id = $1', [id, reason]);
}

/** Up to `limit` rows that wait to be published, leased or not. */
export async function waitingRows(db: Tx, limit: number): Promise<Pick<OutboxRow, 'id' | 'aggregateId'>[]> {
  const { rows } = await db.query<Pick<OutboxRow, 'id' | 'aggregateId'>>(
    `SELECT id, aggregate_id AS "aggregateId" FROM messaging.outbox
     WHERE published_at IS NULL AND quarantined IS NULL ORDER BY id LIMIT $1`,
    [limit],
  );
  return rows;
}

/**
 * What waits in the outbox: how many rows (counted up to 10,000), for how long the one that waits longest (a replayed row
 * waits since the replay), how many are quarantined.
 */
export async function backlog(db: Tx): Promise<{ unpublished: number; oldestMs: number; quarantined: number }> {
  const { rows } = await db.query<{ unpublished: number; oldestMs: number; quarantined: number }>(
    `SELECT count(*)::int AS unpublished,
       coalesce(extract(epoch FROM now() - min(waiting_since)) * 1000, 0)::float AS "oldestMs",
       (SELECT count(*)::int FROM messaging.outbox WHERE quarantined IS NOT NULL AND published_at IS NULL) AS quarantined
     FROM (SELECT waiting_since FROM messaging.outbox
       WHERE published_at IS NULL AND quarantined IS NULL ORDER BY id LIMIT 10000) AS waiting`,
  );
  return rows[0]!;
}

/**
 * Makes every row stored since then unpublished again, so that the relay refills the stream: for a broker that lost what
 * it had acknowledged. Rows that are being published now are asked for again as well: their mark may come later than this.
 * The broker gets them under new message ids, since it may remember the old ones without having the messages; listeners
 * that handled an event before know the event's id, and skip it. Resolves to the number of rows.
 */
export async function replay(db: Tx, since: Date): Promise<number> {
  const { rowCount } = await db.query(
    `UPDATE messaging.outbox SET published_at = NULL, leased_until = now(), waiting_since = now()
     WHERE created_at >= $1 AND quarantined IS NULL`,
    [since],
  );
  return rowCount ?? 0;
}
