import type { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { CounterDatabases } from './counter.fixture.js';
import { prepared, type Tx } from './database.js';
import { findHandled } from './inbox.js';
import { backlog, claimRows } from './outbox.js';

let databases: CounterDatabases;
beforeAll(async () => {
  databases = await CounterDatabases.start();
}, 60_000);
afterAll(() => databases?.[Symbol.asyncDispose]());

const DAY_MS = 86_400_000;
const at = (days: number, from = Date.now()) => new Date(from + days * DAY_MS);
const dayOf = (date: Date) => date.toISOString().slice(0, 10).replaceAll('-', '');
const maintain = (pool: Pool, now: Date) =>
  pool.query(`SELECT messaging.maintain($1, interval '7 days', interval '48 hours')`, [now]);
const partitions = async (pool: Pool, table: string): Promise<string[]> =>
  (
    await pool.query<{ name: string }>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass ORDER BY 1`,
      [`messaging.${table}`],
    )
  ).rows.map(({ name }) => name.slice(-8));
const say = (pool: Pool, when: Date, published = true, quarantined: string | null = null) =>
  pool.query(
    `INSERT INTO messaging.outbox (id, aggregate_id, subject, headers, data, leased_until, published_at, quarantined)
     VALUES ($1, 'a', 's', '{}', '{}', now(), CASE WHEN $2 THEN now() END, $3)`,
    [uuidv7({ msecs: when.getTime() }), published, quarantined],
  );
const hear = (pool: Pool, when: Date) =>
  pool.query(`INSERT INTO messaging.inbox (event_id, durable) VALUES ($1, 'd')`, [uuidv7({ msecs: when.getTime() })]);

describe('the partitions of inbox and outbox', () => {
  it('take what was said in the last 7 days, today, and tomorrow by a clock that is ahead', async () => {
    const pool = await databases.pool();
    for (const days of [-7, -6, -1, 0, 1]) await expect(hear(pool, at(days))).resolves.toMatchObject({ rowCount: 1 });
    for (const days of [-2, -1, 0, 1]) await expect(say(pool, at(days))).resolves.toMatchObject({ rowCount: 1 });
  });

  it('put an event into the day it was said, so that a redelivery after midnight is known', async () => {
    const pool = await databases.pool();
    await hear(pool, at(-1));
    const { rows } = await pool.query('SELECT tableoid::regclass::text AS name FROM messaging.inbox');
    expect(rows).toEqual([{ name: `messaging.inbox_${dayOf(at(-1))}` }]);
  });

  it('are made ahead of time, also after a long pause', async () => {
    const pool = await databases.pool();
    await maintain(pool, at(30));
    expect(await partitions(pool, 'inbox')).toEqual(expect.arrayContaining([0, 1].map((d) => dayOf(at(30 + d)))));
    await expect(say(pool, at(30))).resolves.toMatchObject({ rowCount: 1 });
  });

  it('are dropped when their time is over, and no sooner', async () => {
    const pool = await databases.pool();
    await hear(pool, at(0));
    await say(pool, at(0));
    await maintain(pool, at(2));
    expect(await partitions(pool, 'outbox')).toContain(dayOf(at(0)));
    await maintain(pool, at(7));
    expect(await partitions(pool, 'inbox')).toContain(dayOf(at(0)));
    expect(await partitions(pool, 'outbox')).not.toContain(dayOf(at(0)));
    await maintain(pool, at(8));
    expect(await partitions(pool, 'inbox')).not.toContain(dayOf(at(0)));
  });

  it.each([
    ['rows that were never published', null],
    ['rows that were quarantined', 'refused'],
  ])('are never dropped while they hold %s', async (_, quarantined) => {
    const pool = await databases.pool();
    await say(pool, at(0), false, quarantined);
    await maintain(pool, at(30));
    expect(await partitions(pool, 'outbox')).toContain(dayOf(at(0)));
    await pool.query('UPDATE messaging.outbox SET published_at = now()');
    await maintain(pool, at(30));
    expect(await partitions(pool, 'outbox')).not.toContain(dayOf(at(0)));
  });

  it('may be looked after by several instances at once', async () => {
    const pool = await databases.pool();
    await Promise.all([1, 2, 3, 4].map(() => maintain(pool, at(5))));
    expect(await partitions(pool, 'outbox')).toContain(dayOf(at(5)));
  });

  it('are looked after without a lock that messages meet when nothing is to be done', async () => {
    const pool = await databases.pool();
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await client.query(`SELECT messaging.maintain(now(), interval '7 days', interval '48 hours')`);
      const { rows } = await client.query(
        `SELECT relation::regclass::text, mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation IN
         (SELECT oid FROM pg_class WHERE relnamespace = 'messaging'::regnamespace)`,
      );
      expect(rows).toEqual([]);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  it('are given up on after 2 seconds rather than hold up what is said, and looked after the next time', async () => {
    const pool = await databases.pool();
    const client = await pool.connect();
    try {
      await client.query('BEGIN');
      await client.query('LOCK TABLE messaging.outbox IN ROW EXCLUSIVE MODE');
      await expect(maintain(pool, at(30))).rejects.toMatchObject({ code: '55P03' });
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
    await maintain(pool, at(30));
    expect(await partitions(pool, 'outbox')).toContain(dayOf(at(30)));
  });

  // Clocks went forward in Berlin on 2027-03-28 and back on 2027-10-31: days of 23 and of 25 hours.
  it.each(['2027-03-25T12:00:00Z', '2027-10-29T12:00:00Z'])(
    'are whole days of UTC without a gap whatever the time zone of the database, from %s on',
    async (from) => {
      const url = await databases.create();
      const pool = await databases.pool(`${url}?options=-c%20TimeZone%3DEurope/Berlin`);
      for (let day = 0; day < 6; day++) {
        const now = at(day, Date.parse(from));
        await maintain(pool, now);
        for (let hour = 0; hour < 48; hour++)
          await expect(hear(pool, new Date(now.getTime() + hour * 3_600_000))).resolves.toMatchObject({ rowCount: 1 });
      }
    },
  );
});

/** How often each day of a table is read through and looked up in by some work. */
async function readsOf(pool: Pool, table: string, work: (tx: Tx) => Promise<unknown>) {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await work(prepared(client));
    const { rows } = await client.query<{ day: string; through: number; lookups: number }>(
      `SELECT right(relname, 8) AS day, seq_scan::int AS through, coalesce(idx_scan, 0)::int AS lookups
       FROM pg_stat_xact_user_tables WHERE relname LIKE $1 || '\\_%' AND seq_scan + coalesce(idx_scan, 0) > 0`,
      [table],
    );
    return rows;
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

describe('a day of many messages', () => {
  const fill = (pool: Pool) =>
    pool.query(
      `INSERT INTO messaging.outbox (id, aggregate_id, subject, headers, data, leased_until, published_at)
       SELECT id, 'a', 's', '{}', '{}', now(), now() FROM unnest($1::uuid[]) AS id`,
      [Array.from({ length: 5000 }, () => uuidv7())],
    );
  const looks: Record<string, (tx: Tx) => Promise<unknown>> = {
    'measure what waits': backlog,
    'claim what waits': (tx) => claimRows(tx, 500, 3000),
    'find what was never published': (tx) =>
      tx.query('SELECT messaging.holds_unpublished($1)', [`outbox_${dayOf(at(0))}`]),
  };

  describe.each(['once it was analyzed', 'before it was analyzed'])('is not read through %s', (when) => {
    it.each(Object.keys(looks))('to %s', async (look) => {
      const pool = await databases.pool();
      await fill(pool);
      await say(pool, at(0), false);
      await say(pool, at(0), false, 'refused');
      if (when.startsWith('once')) await pool.query('ANALYZE messaging.outbox');
      const reads = await readsOf(pool, 'outbox', looks[look]!);
      expect(reads).toContainEqual({ day: dayOf(at(0)), through: 0, lookups: expect.any(Number) });
    });
  });

  it('is the only one that is looked at for what was handled of it, and is not read through', async () => {
    const pool = await databases.pool();
    for (const days of [-1, 0])
      await pool.query(`INSERT INTO messaging.inbox (event_id, durable) SELECT id, 'd' FROM unnest($1::uuid[]) AS id`, [
        Array.from({ length: 5000 }, () => uuidv7({ msecs: at(days).getTime() })),
      ]);
    const delivery = { id: uuidv7({ msecs: at(-1).getTime() }), durable: 'd' };
    // From its sixth time on PostgreSQL may run a statement by a plan for any values.
    const reads = await readsOf(pool, 'inbox', async (tx) => {
      for (let time = 0; time < 10; time++) await findHandled(tx, [delivery]);
    });
    expect(reads).toEqual([{ day: dayOf(at(-1)), through: 0, lookups: 10 }]);
  });
});
