import type { EventType } from '@pavane/contracts';
import type { PoolClient } from 'pg';

export type Tx = PoolClient;

/** An event as it was delivered; `Data` is what it carries. */
export interface Heard<Data = unknown> {
  /** The event's id. */
  event: string;
  orderId: string;
  traceparent: string;
  data: Data;
  /** To be called once what follows from it is committed. */
  done(): void;
}

/** An event that is to be said about an order. */
export interface Said {
  type: EventType;
  orderId: string;
  traceparent: string;
  data: object;
}

/** Writes what follows from some work of one kind, set-based, and resolves to what is to be said then. */
export type Write<T> = (tx: Tx, work: readonly T[]) => Promise<Said[]>;

/** Remembers deliveries in the inbox, and resolves to those that are new. */
export async function remember<T extends { event: string }>(
  tx: Tx,
  durable: string,
  heard: readonly T[],
): Promise<T[]> {
  const { rows } = await tx.query<{ event_id: string }>({
    name: 'remember',
    text: `INSERT INTO messaging.inbox (event_id, durable) SELECT unnest($1::uuid[]), $2 ON CONFLICT DO NOTHING RETURNING event_id`,
    values: [heard.map(({ event }) => event), durable],
  });
  const fresh = new Set(rows.map(({ event_id }) => event_id));
  return heard.filter(({ event }) => fresh.delete(event));
}
