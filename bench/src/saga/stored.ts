import type { Service } from '@pavane/contracts';
import { SERVICES } from '@pavane/tools';
import type { Stand } from './stand.js';

/** Orders that one statement stores: some seconds of work. */
const AT_ONCE = 20_000;
/** One order a millisecond, the last of them now. */
const idsSince = (most: number): number => Date.now() - most;

/** The id of the n-th of something, the same in every database: a UUIDv7 of the n-th millisecond since $1. */
const id = (of: string): string =>
  `(lpad(to_hex($1::bigint + n), 12, '0') || '7' || substr(md5('${of}' || n), 1, 3) || '8' || substr(md5('${of}' || n), 4, 15))::uuid`;

const TRACE = `'00-' || md5('trace' || n) || '-' || substr(md5('span' || n), 1, 16) || '-00'`;

const orders = `INSERT INTO orders (id, version, status, customer_id, email, items, amount, currency, payment_method, deadline_at, idempotency_key, fingerprint, noted, created_at, ended_at, traceparent)
  SELECT ${id('order')}, 5, 'confirmed', 'bench', 'bench@example.com', '[{"sku": "TEAPOT", "quantity": 1}]', 4900, 'EUR', 'card_ok', now() + interval '1 day',
    'stored-' || n, md5('body'), '{payments.completed,inventory.reserved,notifications.sent}', now(), now(), ${TRACE}
  FROM generate_series($2::int, $3::int) AS n`;
const history = `INSERT INTO history (order_id, version, event, at)
  SELECT ${id('order')}, version, event, now() FROM generate_series($2::int, $3::int) AS n,
    unnest('{orders.created,payments.completed,inventory.reserved,orders.confirmed,notifications.sent}'::text[]) WITH ORDINALITY AS e (event, version)`;
const payments = `INSERT INTO payments (order_id, status, amount, currency, method, items, deadline_at, updated_at, traceparent)
  SELECT ${id('order')}, 'captured', 4900, 'EUR', 'card_ok', '[{"sku": "TEAPOT", "quantity": 1}]', now() + interval '1 day', now(), ${TRACE}
  FROM generate_series($2::int, $3::int) AS n`;
const reservations = `INSERT INTO reservations (order_id, status, items, updated_at)
  SELECT ${id('order')}, 'sold', '[{"sku": "TEAPOT", "quantity": 1}]', now() FROM generate_series($2::int, $3::int) AS n`;
const notifications = `INSERT INTO notifications (order_id, outcome, status, message_id, at)
  SELECT ${id('order')}, 'confirmed', 'sent', '<' || ${id('order')} || '.confirmed@pavane.example>', now() FROM generate_series($2::int, $3::int) AS n`;

const heard = (durable: string): string =>
  `INSERT INTO messaging.inbox (event_id, durable) SELECT ${id(durable)}, '${durable}' FROM generate_series($2::int, $3::int) AS n`;
const said = (event: string): string =>
  `INSERT INTO messaging.outbox (id, aggregate_id, subject, headers, data, leased_until, published_at)
  SELECT ${id(event)}, ${id('order')}::text, '${event}.' || ${id('order')},
    jsonb_build_object('ce-specversion', '1.0', 'ce-id', ${id(event)}, 'ce-type', '${event}.v1', 'ce-source', 'bench', 'ce-subject', ${id('order')},
      'ce-time', now(), 'content-type', 'application/json', 'traceparent', ${TRACE}),
    '{"email": "bench@example.com", "items": [{"sku": "TEAPOT", "quantity": 1}], "total": {"amount": 4900, "currency": "EUR"}}', now(), now()
  FROM generate_series($2::int, $3::int) AS n`;

/** The rows that an order leaves behind that ended well. */
const LEFT_BEHIND: Partial<Record<Service, readonly string[]>> = {
  order: [
    orders,
    history,
    ...['order_payments-completed', 'order_inventory-reserved', 'order_notifications-sent'].map(heard),
    ...['orders.created', 'timers.deadline', 'orders.confirmed'].map(said),
  ],
  payment: [payments, heard('payment_orders-created'), said('payments.completed')],
  inventory: [
    reservations,
    ...['inventory_payments-completed', 'inventory_orders-confirmed'].map(heard),
    said('inventory.reserved'),
  ],
  notification: [notifications, heard('notification_orders-confirmed'), said('notifications.sent')],
};

/** Services whose databases stay empty. */
export const notStored = SERVICES.filter((service) => !LEFT_BEHIND[service]);

/** Fills the databases of a platform with orders that ended long ago, more and more of them. */
export class Stored {
  readonly #since: number;
  #count = 0;

  constructor(
    private readonly stand: Stand,
    most: number,
  ) {
    this.#since = idsSince(most);
  }

  /** Stores so many in all. */
  async upTo(count: number): Promise<void> {
    const first = this.#count + 1;
    await this.stand.inEachDatabase(async (client, service) => {
      for (let from = first; from <= count; from += AT_ONCE)
        for (const statement of LEFT_BEHIND[service] ?? [])
          await client.query(statement, [this.#since, from, Math.min(count, from + AT_ONCE - 1)]);
    });
    this.#count = count;
  }
}
