import { Unprocessable } from '@pavane/jetstream';
import type { Tx } from './database.js';

/** How long a handled event is remembered, in days; an older id is refused, because it might have been handled before. */
export const INBOX_DAYS = 7;

/** One delivery of an event to one durable consumer. */
export interface Delivery {
  /** The event's id (`ce-id`), a UUIDv7. */
  readonly id: string;
  readonly durable: string;
}

const keyOf = ({ id, durable }: Delivery): string => `${id} ${durable}`;

/**
 * What was handled before of the events and by the durables of these deliveries, found in one statement. By lists of
 * constants, and not by a join: so the planner leaves out every day none of them is of.
 */
export async function findHandled(tx: Tx, deliveries: readonly Delivery[]): Promise<Handled> {
  if (deliveries.length === 0) return new Handled();
  const { rows } = await tx.query<Delivery>(
    'SELECT event_id AS id, durable FROM messaging.inbox WHERE event_id = ANY ($1::uuid[]) AND durable = ANY ($2::text[])',
    [deliveries.map((d) => d.id), [...new Set(deliveries.map((d) => d.durable))]],
  );
  return new Handled(rows);
}

/** Remembers deliveries as handled. A delivery remembered by another transaction meanwhile fails with SQLSTATE 23505. */
export async function rememberHandled(tx: Tx, deliveries: readonly Delivery[]): Promise<void> {
  if (deliveries.length === 0) return;
  await tx.query(
    `INSERT INTO messaging.inbox (event_id, durable) SELECT * FROM unnest($1::uuid[], $2::text[]) AS d (id, name) ORDER BY id, name`,
    [deliveries.map((d) => d.id), deliveries.map((d) => d.durable)],
  );
}

/** Which deliveries were handled, including those of the set at hand. */
export class Handled {
  readonly #keys = new Set<string>();
  constructor(deliveries: readonly Delivery[] = []) {
    for (const delivery of deliveries) this.add(delivery);
  }
  has(delivery: Delivery): boolean {
    return this.#keys.has(keyOf(delivery));
  }
  add(delivery: Delivery): void {
    this.#keys.add(keyOf(delivery));
  }
}

/** Throws `Unprocessable` for an event so old that the inbox may have forgotten it. */
export function refuseForgotten(delivery: Delivery, now: Date): void {
  const saidAt = Number.parseInt(delivery.id.replaceAll('-', '').slice(0, 12), 16);
  if (now.getTime() - saidAt > INBOX_DAYS * 86_400_000) {
    throw new Unprocessable(
      `event ${delivery.id} for ${delivery.durable} is older than the ${INBOX_DAYS} days the inbox remembers; ` +
        'if it was never handled, say it again under a new id',
    );
  }
}
