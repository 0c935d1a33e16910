import { outboundOf } from '@pavane/contracts';
import { Participant, transaction } from '@pavane/outbox';
import { eventually } from '@pavane/testing';
import { applyMigrations, type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import {
  decide,
  emptyWarehouse,
  evolve,
  type InventoryFact,
  type InventoryMessage,
  type Warehouse,
} from './inventory.js';
import { InventoryStore, WAREHOUSE } from './inventory.store.js';

let postgres: PostgresServer;
let pool: Pool;
const store = new InventoryStore();
beforeAll(async () => {
  postgres = await startPostgres({ databases: ['inventory'] });
  await applyMigrations(postgres.url('inventory'), new URL('../prisma/migrations/', import.meta.url));
  pool = new Pool({ connectionString: postgres.url('inventory'), pipeline: true, max: 20 });
}, 60_000);
beforeEach(async () => {
  await pool.query('TRUNCATE stock, reservations, messaging.inbox, messaging.outbox');
  await pool.query(`INSERT INTO stock (sku, initial, available) VALUES ('CUP', 100, 100), ('TEAPOT', 5, 5)`);
});
afterAll(async () => {
  await pool?.end();
  await postgres?.[Symbol.asyncDispose]();
});

const total = { amount: 9800, currency: 'EUR' };
const email = 'ada@example.com';
const cups = (quantity: number) => [{ sku: 'CUP', quantity }];
const paid = (orderId: string, items = cups(2)): InventoryMessage => ({
  type: 'payments.completed',
  orderId,
  data: { amount: total, items },
});
const confirmed = (orderId: string): InventoryMessage => ({
  type: 'orders.confirmed',
  orderId,
  data: { email, total, items: cups(2) },
});
const cancelled = (orderId: string): InventoryMessage => ({
  type: 'orders.cancelled',
  orderId,
  data: { reason: 'customer_request', email, total },
});

const participant = () =>
  new Participant<Warehouse, InventoryMessage, InventoryFact>({
    pool,
    store,
    rules: { aggregateOf: () => WAREHOUSE, initial: emptyWarehouse, decide, evolve },
    outbound: outboundOf('inventory'),
    outlet: { leaseMs: 0, offer: () => undefined },
    now: () => new Date(),
    newId: uuidv7,
  });
const stored = async (message: InventoryMessage) =>
  (await transaction(pool, (tx) => store.load(tx, [WAREHOUSE], [message]))).get(WAREHOUSE)!;
const shelf = async (sku: string) =>
  (await pool.query('SELECT available, reserved, sold FROM stock WHERE sku = $1', [sku])).rows[0];

describe('a reservation and its shelves', () => {
  it.each<[string, ((id: string) => InventoryMessage)[]]>([
    ['refused', [cancelled]],
    ['reserved', [paid]],
    ['rejected', [(id) => paid(id, [{ sku: 'TEAPOT', quantity: 6 }])]],
    ['released', [paid, cancelled]],
    ['sold', [paid, confirmed]],
  ])('that are %s are stored and read as they are', async (status, life) => {
    const orderId = uuidv7();
    const last = life.map((about) => about(orderId)).at(-1)!;
    let expected = await stored(paid(orderId));
    for (const about of life) {
      const message = about(orderId);
      for (const fact of decide(message, expected, new Date())) expected = evolve(expected, fact, orderId);
      await participant().handle(message);
    }
    const found = await stored(last);
    expect(found.reservations).toEqual(expected.reservations);
    expect(found.reservations.get(orderId)?.status).toBe(status);
    for (const [sku, pieces] of found.stock)
      if (expected.stock.has(sku)) expect(pieces).toEqual(expected.stock.get(sku));
  });

  it('are loaded only where a message touches them', async () => {
    await participant().handle(paid(uuidv7(), [{ sku: 'TEAPOT', quantity: 1 }]));
    const warehouse = await stored(paid(uuidv7()));
    expect([[...warehouse.stock.keys()], warehouse.reservations.size]).toEqual([['CUP'], 0]);
  });

  it('add up for many orders in one set, some of them short', async () => {
    const inventory = participant();
    const orders = Array.from({ length: 60 }, () => uuidv7());
    await Promise.all(orders.map((id) => inventory.handle(paid(id))));
    expect(await shelf('CUP')).toEqual({ available: 0, reserved: 100, sold: 0 });
    const { rows } = await pool.query('SELECT status, count(*)::int AS n FROM reservations GROUP BY 1 ORDER BY 1');
    expect(rows).toEqual([
      { status: 'rejected', n: 10 },
      { status: 'reserved', n: 50 },
    ]);
  });
});

describe('the database', () => {
  const REFUSED = { code: '23514' };

  it('refuses stock that is negative, lost or made', async () => {
    for (const change of ['available = -1, reserved = 101', 'available = 99', 'sold = 1', 'reserved = -1, sold = 1'])
      await expect(pool.query(`UPDATE stock SET ${change} WHERE sku = 'CUP'`)).rejects.toMatchObject(REFUSED);
  });

  it.each<[string, string, ((id: string) => InventoryMessage)[]]>([
    ['refused', 'reserved', [cancelled]],
    ['rejected', 'reserved', [(id) => paid(id, cups(101))]],
    ['released', 'reserved', [paid, cancelled]],
    ['released', 'sold', [paid, cancelled]],
    ['sold', 'released', [paid, confirmed]],
    ['reserved', 'refused', [paid]],
    ['reserved', 'rejected', [paid]],
  ])('refuses that a %s reservation becomes %s', async (_, to, life) => {
    const orderId = uuidv7();
    for (const about of life) await participant().handle(about(orderId));
    await expect(
      pool.query('UPDATE reservations SET status = $2 WHERE order_id = $1', [orderId, to]),
    ).rejects.toMatchObject(REFUSED);
  });
});

describe('two instances that hear of the same order at once', () => {
  /** All are under way while nobody can touch the shelves. */
  async function together(...messages: InventoryMessage[]) {
    const holder = await pool.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT FROM stock FOR UPDATE');
      let done = 0;
      const handled = Promise.allSettled(
        messages.map((message) =>
          participant()
            .handle(message)
            .finally(() => done++),
        ),
      );
      await eventually(async () => {
        const { rows } = await holder.query(
          'SELECT count(DISTINCT pid)::int AS waiting FROM pg_locks WHERE NOT granted',
        );
        expect(rows[0].waiting + done).toBe(messages.length);
      });
      await holder.query('COMMIT');
      return await handled;
    } finally {
      await holder.query('ROLLBACK');
      holder.release();
    }
  }

  it('set its lines aside once, although the payment was said twice', async () => {
    const orderId = uuidv7();
    expect(await together(paid(orderId), paid(orderId))).toMatchObject([
      { status: 'fulfilled' },
      { status: 'fulfilled' },
    ]);
    expect(await shelf('CUP')).toEqual({ available: 98, reserved: 2, sold: 0 });
    await participant().handle(cancelled(orderId));
    expect(await shelf('CUP')).toEqual({ available: 100, reserved: 0, sold: 0 });
  });

  it('set nothing aside for an order that is cancelled meanwhile, and neither of them fails', async () => {
    const orderId = uuidv7();
    expect(await together(paid(orderId), cancelled(orderId))).toMatchObject([
      { status: 'fulfilled' },
      { status: 'fulfilled' },
    ]);
    expect(await shelf('CUP')).toEqual({ available: 100, reserved: 0, sold: 0 });
  });

  it('never sell the last piece twice', async () => {
    const orders = [uuidv7(), uuidv7(), uuidv7()];
    await together(...orders.map((id) => paid(id, [{ sku: 'TEAPOT', quantity: 2 }])));
    expect(await shelf('TEAPOT')).toEqual({ available: 1, reserved: 4, sold: 0 });
  });

  it('never wait for each other in a circle, whatever the order of lines', async () => {
    const both = [participant(), participant()];
    const lines = [cups(1)[0]!, { sku: 'TEAPOT', quantity: 1 }];
    const orders = Array.from({ length: 60 }, () => uuidv7());
    await Promise.all(orders.map((id, i) => both[i % 2]!.handle(paid(id, i % 3 === 0 ? lines : lines.toReversed()))));
    await Promise.all(orders.flatMap((id, i) => both[(i + 1) % 2]!.handle(cancelled(id))));
    expect([await shelf('CUP'), await shelf('TEAPOT')]).toEqual([
      { available: 100, reserved: 0, sold: 0 },
      { available: 5, reserved: 0, sold: 0 },
    ]);
    await pool.query('SELECT pg_stat_force_next_flush()');
    const { rows } = await pool.query('SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()');
    expect(rows).toEqual([{ deadlocks: 0 }]);
  });
});
