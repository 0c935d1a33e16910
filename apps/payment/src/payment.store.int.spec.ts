import { outboundOf } from '@pavane/contracts';
import { Participant, type Store, transaction } from '@pavane/outbox';
import { eventually } from '@pavane/testing';
import { applyMigrations, type PostgresServer, startPostgres } from '@pavane/testing/servers';
import { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { decide, evolve, newPayment, type Payment, type PaymentFact, type PaymentMessage } from './payment.js';
import { PaymentStore } from './payment.store.js';

let postgres: PostgresServer;
let pool: Pool;
let store: PaymentStore;
beforeAll(async () => {
  postgres = await startPostgres({ databases: ['payment'] });
  await applyMigrations(postgres.url('payment'), new URL('../prisma/migrations/', import.meta.url));
  pool = new Pool({ connectionString: postgres.url('payment'), pipeline: true });
  store = new PaymentStore(pool);
}, 60_000);
afterAll(async () => {
  await pool?.end();
  await postgres?.[Symbol.asyncDispose]();
});

const amount = { amount: 9800, currency: 'EUR' };
const created = {
  customerId: 'customer-1',
  email: 'ada@example.com',
  items: [{ sku: 'TEAPOT', quantity: 2 }],
  total: amount,
  paymentMethod: 'card_ok',
  deadlineAt: new Date(Date.now() + 60_000).toISOString(),
};
const messages = {
  intend: { type: 'intend', data: created },
  tooLate: { type: 'orders.created', data: { ...created, deadlineAt: new Date(0).toISOString() } },
  captures: { type: 'settle', data: { type: 'captured', reference: 'ch_1' } },
  declines: { type: 'settle', data: { type: 'declined', reference: 'ch_1' } },
  voids: { type: 'settle', data: { type: 'voided', reference: 'ch_1' } },
  waits: { type: 'settle', data: { type: 'waiting', reference: 'ch_1', customerUrl: 'https://bank.example/1' } },
  cancels: { type: 'orders.cancelled', data: { reason: 'customer_request', email: created.email, total: amount } },
  refunds: { type: 'refunded', data: {} },
} as const;
const about = (orderId: string, ...names: (keyof typeof messages)[]): PaymentMessage[] =>
  names.map((name) => ({ ...messages[name], orderId }));

const participant = (on: Store<Payment, PaymentMessage, PaymentFact> = store) =>
  new Participant<Payment, PaymentMessage, PaymentFact>({
    pool,
    store: on,
    rules: { aggregateOf: ({ orderId }) => orderId, initial: newPayment, decide, evolve },
    outbound: outboundOf('payment'),
    outlet: { leaseMs: 0, offer: () => undefined },
    now: () => new Date(),
    newId: uuidv7,
  });
const stored = async (orderId: string) => (await transaction(pool, (tx) => store.load(tx, [orderId]))).get(orderId);

const lives: [string, (keyof typeof messages)[]][] = [
  ['refused', ['cancels']],
  ['intended', ['intend']],
  ['intended and to be cancelled', ['intend', 'cancels']],
  ['waiting for its customer', ['intend', 'waits']],
  ['captured', ['intend', 'captures']],
  ['captured after it waited', ['intend', 'waits', 'captures']],
  ['failed', ['intend', 'declines']],
  ['voided', ['intend', 'voids']],
  ['voided because it came too late', ['tooLate']],
  ['voided after a cancellation', ['intend', 'cancels', 'voids']],
  ['to be refunded', ['intend', 'captures', 'cancels']],
  ['to be refunded at once', ['intend', 'cancels', 'captures']],
  ['refunded', ['intend', 'captures', 'cancels', 'refunds']],
];

describe('a payment', () => {
  it.each(lives)('that is %s is stored and read as it is', async (_, life) => {
    const orderId = uuidv7();
    let expected = newPayment();
    for (const message of about(orderId, ...life)) {
      for (const fact of decide(message, expected, new Date())) expected = evolve(expected, fact);
      await participant().handle(message);
      expect(await stored(orderId)).toEqual(expected);
    }
  });

  it('is open work for the reconciler while the provider owes an answer, and only then', async () => {
    const open = new Set<string>();
    for (const [name, life] of lives) {
      const orderId = uuidv7();
      for (const message of about(orderId, ...life)) await participant().handle(message);
      const { rows } = await pool.query('SELECT due_at FROM payments WHERE order_id = $1', [orderId]);
      if (rows[0].due_at) open.add(name);
    }
    expect([...open]).toEqual([
      'intended',
      'intended and to be cancelled',
      'waiting for its customer',
      'to be refunded',
      'to be refunded at once',
    ]);
  });

  it('keeps the name the provider has for it from an answer without an outcome, and waits as long as that asks for', async () => {
    const orderId = uuidv7();
    for (const message of about(orderId, 'intend')) await participant().handle(message);
    await store.keepOpen(orderId, { reference: 'ch_2', retryAfterMs: 60_000 });
    expect(await stored(orderId)).toMatchObject({ status: 'intended', reference: 'ch_2' });
    const dueIn = async () =>
      (
        await pool.query('SELECT extract(epoch FROM due_at - now())::float AS s FROM payments WHERE order_id = $1', [
          orderId,
        ])
      ).rows[0].s;
    expect(await dueIn()).toBeGreaterThan(55);
    await store.keepOpen(orderId, {});
    expect(await dueIn()).toBeGreaterThan(55);
    expect(await stored(orderId)).toMatchObject({ reference: 'ch_2' });
  });
});

describe('a payment that the provider keeps open', () => {
  /** The waits between one try and the next, in seconds, once they have grown as long as they get. */
  const longestWait = async (...life: (keyof typeof messages)[]) => {
    const orderId = uuidv7();
    for (const message of about(orderId, ...life)) await participant().handle(message);
    const rows = await pool.query(
      'UPDATE payments SET tries = 9, due_at = CASE WHEN order_id = $1 THEN now() END RETURNING order_id',
      [orderId],
    );
    expect(rows.rowCount).toBeGreaterThan(0);
    expect(await store.claimDue(10)).toMatchObject([{ orderId }]);
    const due = await pool.query(
      'SELECT extract(epoch FROM due_at - now())::float AS s FROM payments WHERE order_id = $1',
      [orderId],
    );
    return Math.round(due.rows[0].s as number);
  };

  it('is asked about every 8 s, and every 32 s while only its customer can do something', async () => {
    expect(await longestWait('intend')).toBe(8);
    expect(await longestWait('intend', 'waits')).toBe(32);
    expect(await longestWait('intend', 'waits', 'cancels')).toBe(8);
    expect(await longestWait('intend', 'waits', 'captures', 'cancels')).toBe(8);
  });

  it('is due at once when its provider has told of it, and only while it is open', async () => {
    const orderId = uuidv7();
    for (const message of about(orderId, 'intend', 'waits')) await participant().handle(message);
    expect(await store.askNow(orderId)).toBe(true);
    expect((await store.claimDue(10)).map((open) => open.orderId)).toContain(orderId);
    for (const message of about(orderId, 'captures')) await participant().handle(message);
    expect(await store.askNow(orderId)).toBe(false);
    expect(await store.askNow(uuidv7())).toBe(false);
  });
});

describe('the age of what is open', () => {
  const made = async (minutesAgo: number, ...life: (keyof typeof messages)[]) => {
    const orderId = uuidv7();
    for (const message of about(orderId, ...life)) await participant().handle(message);
    await pool.query(
      `UPDATE payments SET created_at = created_at - $2 * interval '1 min', deadline_at = now() + (15 - $2) * interval '1 min' WHERE order_id = $1`,
      [orderId, minutesAgo],
    );
    return orderId;
  };
  beforeEach(() => pool.query('DELETE FROM payments'));

  it('is nothing when nothing is open', async () => {
    await made(30, 'intend', 'captures');
    expect(await store.oldestSeconds()).toEqual({ openIntent: 0, refundPending: 0 });
  });

  it('is that of the oldest intent, which a cancellation makes no younger', async () => {
    await made(1, 'intend');
    await made(10, 'intend', 'cancels');
    expect((await store.oldestSeconds()).openIntent).toBeCloseTo(600, -1);
  });

  it('counts from the deadline when the customer is waited for', async () => {
    await made(14, 'intend', 'waits');
    expect((await store.oldestSeconds()).openIntent).toBe(0);
    await made(20, 'intend', 'waits');
    expect((await store.oldestSeconds()).openIntent).toBeCloseTo(300, -1);
  });
});

describe('the database', () => {
  const into = async (status: string, ...life: (keyof typeof messages)[]) => {
    const orderId = uuidv7();
    for (const message of about(orderId, ...life)) await participant().handle(message);
    return pool.query('UPDATE payments SET status = $2, due_at = NULL WHERE order_id = $1', [orderId, status]);
  };
  const REFUSED = { code: '23514' };

  it.each([
    ['captured', 'intended', ['intend', 'captures']],
    ['captured', 'failed', ['intend', 'captures']],
    ['captured', 'voided', ['intend', 'captures']],
    ['failed', 'captured', ['intend', 'declines']],
    ['voided', 'captured', ['intend', 'voids']],
    ['refused', 'captured', ['cancels']],
    ['refund_pending', 'captured', ['intend', 'captures', 'cancels']],
    ['refunded', 'captured', ['intend', 'captures', 'cancels', 'refunds']],
    ['refunded', 'refund_pending', ['intend', 'captures', 'cancels', 'refunds']],
  ] as const)('refuses that a %s payment becomes %s', async (_, to, life) => {
    await expect(into(to, ...life)).rejects.toMatchObject(REFUSED);
  });

  it('refuses a payment without its money, a negative one, and an unknown status', async () => {
    const insert = (status: string, cents: number | null) =>
      pool.query(
        `INSERT INTO payments (order_id, status, amount, currency, method, items, deadline_at, updated_at) VALUES ($1, $2, $3, 'EUR', 'm', '[]', now(), now())`,
        [uuidv7(), status, cents],
      );
    await expect(insert('captured', null)).rejects.toMatchObject(REFUSED);
    await expect(insert('captured', -1)).rejects.toMatchObject(REFUSED);
    await expect(insert('paid', 1)).rejects.toMatchObject(REFUSED);
    await expect(insert('captured', 1)).resolves.toBeDefined();
  });

  it('refuses work that is due on a payment that is settled', async () => {
    const orderId = uuidv7();
    for (const message of about(orderId, 'intend', 'captures')) await participant().handle(message);
    await expect(pool.query('UPDATE payments SET due_at = now() WHERE order_id = $1', [orderId])).rejects.toMatchObject(
      REFUSED,
    );
  });
});

describe('two instances that hear of the same new order at once', () => {
  /** Stops after it has looked, until it is let go. */
  class Hesitant extends PaymentStore {
    readonly looked = Promise.withResolvers<void>();
    readonly go = Promise.withResolvers<void>();
    override async load(...args: Parameters<PaymentStore['load']>) {
      const found = await super.load(...args);
      this.looked.resolve();
      await this.go.promise;
      return found;
    }
  }
  /** What `second` does while `first` has looked and not yet saved. */
  async function race(orderId: string, first: keyof typeof messages, second: keyof typeof messages) {
    const slow = new Hesitant(pool);
    const [one] = about(orderId, first);
    const [other] = about(orderId, second);
    const firstDone = participant(slow).handle(one!);
    await slow.looked.promise;
    const quick = participant();
    const secondDone = quick.handle(other!);
    await eventually(async () => {
      const { rows } = await pool.query(
        `SELECT (SELECT count(*)::int FROM pg_locks WHERE NOT granted) AS waiting, (SELECT count(*)::int FROM payments WHERE order_id = $1) AS stored`,
        [orderId],
      );
      expect(rows[0].waiting + rows[0].stored).toBeGreaterThan(0);
    });
    slow.go.resolve();
    return Promise.allSettled([firstDone, secondDone]);
  }

  it.each([
    ['cancels', 'intend'],
    ['intend', 'cancels'],
    ['tooLate', 'cancels'],
    ['cancels', 'tooLate'],
  ] as const)('and one %s while the other %s, neither fails and no charge is left alone', async (first, second) => {
    const orderId = uuidv7();
    expect(await race(orderId, first, second)).toMatchObject([{ status: 'fulfilled' }, { status: 'fulfilled' }]);
    const { status, cancelRequested } = (await stored(orderId))!;
    expect(status === 'intended' ? cancelRequested : ['refused', 'voided'].includes(status)).toBe(true);
  });

  it('never void a charge that the other has started', async () => {
    const orderId = uuidv7();
    await race(orderId, 'tooLate', 'intend');
    const { status } = (await stored(orderId))!;
    const { rows } = await pool.query('SELECT count(*)::int AS said FROM messaging.outbox WHERE aggregate_id = $1', [
      orderId,
    ]);
    // Either it was too late for both, or there is an intent and nothing was said.
    expect([status, rows[0].said]).toEqual(['voided', 1]);

    const another = uuidv7();
    await race(another, 'intend', 'tooLate');
    expect((await stored(another))!.status).toBe('intended');
  });
});
