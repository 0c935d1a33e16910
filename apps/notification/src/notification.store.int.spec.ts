import { outboundOf, type Outcome } from '@pavane/contracts';
import { isAway, Participant, transaction } from '@pavane/outbox';
import { eventually } from '@pavane/testing';
import { applyMigrations, type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import {
  decide,
  evolve,
  messageIdOf,
  newNotification,
  type Notification,
  type NotificationFact,
  type NotificationMessage,
  type Result,
} from './notification.js';
import { NotificationDatabase, NotificationStore } from './notification.store.js';

let postgres: PostgresServer;
let pool: Pool;
const store = new NotificationStore();
beforeAll(async () => {
  postgres = await startPostgres({ databases: ['notification'] });
  await applyMigrations(postgres.url('notification'), new URL('../prisma/migrations/', import.meta.url));
  pool = new Pool({ connectionString: postgres.url('notification'), pipeline: true });
}, 60_000);
afterAll(async () => {
  await pool?.end();
  await postgres?.[Symbol.asyncDispose]();
});

const participant = () =>
  new Participant<Notification, NotificationMessage, NotificationFact>({
    pool,
    store,
    rules: { aggregateOf: ({ orderId }) => orderId, initial: newNotification, decide, evolve },
    outbound: outboundOf('notification'),
    outlet: { leaseMs: 0, offer: () => undefined },
    now: () => new Date(),
    newId: uuidv7,
  });
const record = (orderId: string, outcome: Outcome, result: Result): NotificationMessage => ({
  type: 'record',
  orderId,
  data: { outcome, result },
});
const stored = async (orderId: string) => (await transaction(pool, (tx) => store.load(tx, [orderId]))).get(orderId);

describe('a notification', () => {
  it.each<[Outcome, Result]>(
    (['confirmed', 'cancelled'] as const).flatMap((outcome) =>
      (
        [{ status: 'sent' }, { status: 'suppressed' }, { status: 'failed', detail: '550 no such mailbox' }] as const
      ).map((result): [Outcome, Result] => [outcome, result]),
    ),
  )('of a %s order is stored and read as it is: %j', async (outcome, result) => {
    const orderId = uuidv7();
    await participant().handle(record(orderId, outcome, result));
    expect(await stored(orderId)).toEqual({ orderId, outcome, result });
    const { rows } = await pool.query('SELECT message_id FROM notifications WHERE order_id = $1', [orderId]);
    expect(rows).toEqual([{ message_id: messageIdOf(orderId, outcome) }]);
  });

  it('is known to be recorded from then on', async () => {
    const database = new NotificationDatabase(pool);
    const orderId = uuidv7();
    expect(await database.isRecorded(orderId)).toBe(false);
    await participant().handle(record(orderId, 'confirmed', { status: 'sent' }));
    expect(await database.isRecorded(orderId)).toBe(true);
    await database.$disconnect();
  });

  it('that several instances record at once is recorded once, and each knows what became of it', async () => {
    const orderId = uuidv7();
    const states = await Promise.all(
      [1, 2, 3].map(() => participant().handle(record(orderId, 'confirmed', { status: 'sent' }))),
    );
    expect(states).toEqual(Array(3).fill({ orderId, outcome: 'confirmed', result: { status: 'sent' } }));
    const { rows } = await pool.query('SELECT count(*)::int AS said FROM messaging.outbox WHERE aggregate_id = $1', [
      orderId,
    ]);
    expect(rows).toEqual([{ said: 1 }]);
  });
});

describe('the database', () => {
  const insert = (outcome: string, status: string, messageId: string, orderId = uuidv7()) =>
    pool.query('INSERT INTO notifications VALUES ($1, $2, $3, $4, NULL, now())', [orderId, outcome, status, messageId]);

  it('refuses an unknown outcome or status', async () => {
    await expect(insert('shipped', 'sent', '<1@x>')).rejects.toMatchObject({ code: '23514' });
    await expect(insert('confirmed', 'lost', '<2@x>')).rejects.toMatchObject({ code: '23514' });
  });

  it('refuses the same Message-ID, and the same outcome of an order, a second time', async () => {
    const orderId = uuidv7();
    await insert('confirmed', 'sent', '<3@x>', orderId);
    await expect(insert('confirmed', 'sent', '<3@x>')).rejects.toMatchObject({ code: '23505' });
    await expect(insert('confirmed', 'failed', '<4@x>', orderId)).rejects.toMatchObject({ code: '23505' });
  });

  it('that ends a session in the middle of a query is away, also in the words of Prisma', async () => {
    const database = new NotificationDatabase(pool);
    const asked = database.$queryRaw`SELECT pg_sleep(30)`.catch((error: unknown) => error);
    await eventually(async () => {
      const { rows } = await pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'`,
      );
      expect(rows).toHaveLength(1);
    });
    expect(isAway(await asked)).toBe(true);
    await database.$disconnect();
  });
});
