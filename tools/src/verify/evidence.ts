import { jetstreamManager } from '@nats-io/jetstream';
import { durables, type OrderItem, type Service } from '@pavane/contracts';
import { Pool } from 'pg';
import { connectToNats } from '../cli/broker.js';
import { reach } from '../cli/reach.js';
import { type Addresses, SERVICES } from '../local/settings.js';

export interface OrderEvidence {
  id: string;
  status: 'pending' | 'confirmed' | 'cancelled';
  reason: string | null;
  version: number;
  amount: number;
  items: OrderItem[];
  history: string[];
  /** Absent where nobody keeps it. */
  endedAt?: Date | null;
}

export interface ChargeEvidence {
  key: string;
  amount: number;
  /** Minor units given back. */
  refunded: number;
  /** How often money was captured. */
  captures: number;
}

/** Everything the invariants are judged by, read from where it happened: databases, provider, mail sink and broker. */
export interface Evidence {
  orders: OrderEvidence[];
  /** The services that are there, and when the database of each was made: nobody was there to answer before. */
  since: Partial<Record<Service, Date>>;
  /** Order ids other services know. */
  elsewhere: { service: Service; orderId: string }[];
  ledger: { charges: ChargeEvidence[] };
  stock: { sku: string; initial: number; available: number; reserved: number; sold: number }[];
  notifications: { messageId: string; status: string }[];
  /** How often the mail sink got each message. */
  mails: Map<string, number>;
  outboxes: { service: Service; unpublished: number; quarantined: number }[];
  streamMessages: number;
  /** Messages in the waiting room. */
  parked: number;
  consumers: { durable: string; pending: number; unacked: number }[];
  deadLetters: { durable: string; reason: string }[];
  /** Trace ids of everything said about an order, in any service. */
  traces: Map<string, Set<string>>;
}

/** Whether a service tells customers; a clone may be without it. */
export const isNotification = (service: string): boolean => service === 'notification';

/** Whatever a service keeps of orders stands in tables of its own with this column. */
const TABLES_OF_ORDERS = `SELECT quote_ident(table_name) AS table FROM information_schema.columns
  WHERE table_schema = 'public' AND column_name = 'order_id'`;

/** Reads the evidence. Rejects with what could not be reached and where it was looked for. */
export async function collect(addresses: Addresses): Promise<Evidence> {
  const pools = new Map<Service, Pool>();
  try {
    await Promise.all(
      SERVICES.map(async (service) => {
        const pool = new Pool({ connectionString: addresses.databases[service], max: 2 });
        pools.set(service, pool);
        await reach(`the database of ${service}`, addresses.databases[service], pool.query('SELECT 1'));
      }),
    );
    const rows = async <Row>(service: Service, sql: string): Promise<Row[]> =>
      (await pools.get(service)!.query(sql)).rows as Row[];
    const everywhere = async <Row>(sql: string) =>
      (
        await Promise.all(
          SERVICES.map(async (service) => (await rows<Row>(service, sql)).map((row) => ({ service, ...row }))),
        )
      ).flat();

    const [orders, elsewhere, stock, notifications, made, outboxes, said, ledger, counts, broker] = await Promise.all([
      rows<OrderEvidence>(
        'order',
        `SELECT id, status, reason, version, amount, items, ended_at AS "endedAt",
           (SELECT coalesce(array_agg(event ORDER BY h.version), '{}') FROM history h WHERE order_id = id) AS history FROM orders`,
      ),
      Promise.all(
        SERVICES.filter((service) => service !== 'order').map(async (service) => {
          const tables = await rows<{ table: string }>(service, TABLES_OF_ORDERS);
          const known = tables.map(
            ({ table }) => `SELECT order_id::text AS "orderId" FROM ${table} WHERE order_id IS NOT NULL`,
          );
          const found = known.length > 0 ? await rows<{ orderId: string }>(service, known.join(' UNION ')) : [];
          return found.map(({ orderId }) => ({ service, orderId }));
        }),
      ),
      rows<Evidence['stock'][number]>(
        'inventory',
        'SELECT sku, initial, available, reserved, sold FROM stock ORDER BY sku',
      ),
      Promise.all(
        SERVICES.filter(isNotification).map((service) =>
          rows<Evidence['notifications'][number]>(
            service,
            'SELECT message_id AS "messageId", status FROM notifications',
          ),
        ),
      ),
      everywhere<{ at: Date }>('SELECT min(finished_at) AS at FROM _prisma_migrations'),
      everywhere<{ unpublished: number; quarantined: number }>(
        `SELECT count(*) FILTER (WHERE quarantined IS NULL)::int AS unpublished, count(quarantined)::int AS quarantined FROM messaging.outbox WHERE published_at IS NULL`,
      ),
      everywhere<{ orderId: string; trace: string | null }>(
        `SELECT DISTINCT aggregate_id AS "orderId", split_part(headers ->> 'traceparent', '-', 2) AS trace FROM messaging.outbox`,
      ),
      json<{ charges: ChargeEvidence[] }>('the payment provider', `${addresses.provider}/ledger`),
      json<{ counts?: Record<string, number> } & Record<string, unknown>>('the mail sink', `${addresses.mail}/counts`),
      askBroker(addresses.nats),
    ]);
    const traces = new Map<string, Set<string>>();
    for (const { orderId, trace } of said) traces.set(orderId, (traces.get(orderId) ?? new Set()).add(trace ?? 'none'));
    const mails = new Map(Object.entries((counts.counts ?? counts) as Record<string, number>));
    const since = Object.fromEntries(made.map(({ service, at }) => [service, at])) as Evidence['since'];
    return {
      orders,
      since,
      elsewhere: elsewhere.flat(),
      stock,
      notifications: notifications.flat(),
      outboxes,
      ledger,
      mails,
      traces,
      ...broker,
    };
  } finally {
    await Promise.all([...pools.values()].map((pool) => pool.end()));
  }
}

async function askBroker(
  url: string,
): Promise<Pick<Evidence, 'streamMessages' | 'parked' | 'consumers' | 'deadLetters'>> {
  const nc = await connectToNats(url);
  try {
    const jsm = await jetstreamManager(nc);
    const saga = await jsm.streams.info('SAGA');
    const room = await jsm.streams.info('PARKED');
    const consumers = await Promise.all(
      durables.map(async ({ stream, durable }) => {
        const info = await jsm.consumers.info(stream, durable);
        return { durable, pending: info.num_pending, unacked: info.num_ack_pending };
      }),
    );
    const deadLetters: Evidence['deadLetters'] = [];
    const { state } = await jsm.streams.info('DLQ');
    for (let seq = state.first_seq; state.messages > 0 && seq <= state.last_seq; seq++) {
      // Absent: discarded or replayed. Anything else is no evidence, and must not pass for none.
      const message = await jsm.streams.getMessage('DLQ', { seq });
      if (!message) continue;
      const reason = message.header.keys().find((key) => /reason/i.test(key));
      deadLetters.push({
        durable: message.subject.split('.')[1] ?? '?',
        reason: reason ? message.header.get(reason) : '',
      });
    }
    return { streamMessages: saga.state.messages, parked: room.state.messages, consumers, deadLetters };
  } finally {
    await nc.close();
  }
}

const json = async <T>(what: string, url: string): Promise<T> =>
  (await reach(what, url, fetch(url, { signal: AbortSignal.timeout(30_000) }))).json() as Promise<T>;
