import { eventually } from '@pavane/testing';
import { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import {
  add,
  count,
  CounterDatabases,
  counters,
  CounterStore,
  outbound,
  rules,
  saidOf,
  Shelf,
  valueOf,
} from './counter.fixture.js';

let databases: CounterDatabases;
beforeAll(async () => {
  databases = await CounterDatabases.start();
}, 60_000);
afterAll(() => databases?.[Symbol.asyncDispose]());

/** A rule that throws for the aggregate `bad`. */
const refusing =
  <A, R>(rule: (about: A) => R) =>
  (about: A): R => {
    const id = typeof about === 'string' ? about : (about as { orderId: string }).orderId;
    if (id === 'bad') throw new Error('bad');
    return rule(about);
  };

const DAY_MS = 86_400_000;
const delivery = (durable = 'counter_add', at = Date.now()) => ({ id: uuidv7({ msecs: at }), durable });

/** Two processes that handle something: the second begins while the first has looked and not yet saved. */
async function overlapping<T>(url: string, handle: (participant: ReturnType<typeof counters>) => Promise<T>) {
  const pool = await databases.pool(url);
  const looked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const store = new CounterStore();
  store.loaded = () => (looked.resolve(), go.promise);
  const first = handle(counters(pool, { store }));
  await looked.promise;
  const second = handle(counters(await databases.pool(url)));
  await eventually(async () => expect(await count(pool, 'pg_locks WHERE NOT granted')).toBe(1));
  go.resolve();
  return [first, second] as const;
}

describe('a message', () => {
  it('is handled once, with all that follows from it, however often it is delivered', async () => {
    const pool = await databases.pool();
    const shelf = new Shelf();
    const participant = counters(pool, { outlet: shelf });
    const once = delivery();

    expect(await participant.handle(add('a', 2), once)).toMatchObject({ value: 2 });
    expect(await participant.handle(add('a', 2), once)).toMatchObject({ value: 2 });
    await Promise.all([participant.handle(add('a', 2), once), participant.handle(add('a', 2), once)]);
    // Another process, which shares nothing but the database.
    expect(await counters(pool).handle(add('a', 2), once)).toMatchObject({ value: 2 });

    expect(await saidOf(pool, 'a')).toEqual([{ value: 2 }]);
    expect(shelf.rows).toHaveLength(1);
  });

  it('is handled although a migration has changed what its statements read', async () => {
    const pool = await databases.pool();
    const participant = counters(pool);
    await participant.handle(add('a', 1), delivery());
    await pool.query('ALTER TABLE counters ALTER COLUMN value TYPE smallint');
    expect(await participant.handle(add('a', 2), delivery())).toMatchObject({ value: 3 });
    expect(await valueOf(pool, 'a')).toBe(3);
  });

  it('is new to each durable that hears it', async () => {
    const pool = await databases.pool();
    const participant = counters(pool);
    const { id } = delivery();
    await participant.handle(add('a', 1), { id, durable: 'counter_one' });
    await participant.handle(add('a', 1), { id, durable: 'counter_two' });
    expect(await valueOf(pool, 'a')).toBe(2);
  });

  it('delivered twice in one set is handled once', async () => {
    const pool = await databases.pool();
    const participant = counters(pool);
    const twice = delivery();
    const handled = [add('a', 1), add('b', 1), add('b', 1)].map((m, i) =>
      participant.handle(m, i ? twice : delivery()),
    );
    expect(await Promise.all(handled)).toMatchObject([{ value: 1 }, { value: 1 }, { value: 1 }]);
    expect(await saidOf(pool, 'b')).toEqual([{ value: 1 }]);
  });

  it('delivered to two processes at the same moment is handled once', async () => {
    const url = await databases.create();
    const handled = delivery();
    const [first, second] = await overlapping(url, (participant) => participant.handle(add('a', 5), handled));
    expect([await first, await second]).toMatchObject([{ value: 5 }, { value: 5 }]);
    expect(await saidOf(await databases.pool(url), 'a')).toEqual([{ value: 5 }]);
  });

  it('that leads to nothing is remembered all the same', async () => {
    const pool = await databases.pool();
    await counters(pool).handle(add('a', 0), delivery());
    expect([await count(pool, 'messaging.inbox'), await valueOf(pool, 'a')]).toEqual([1, undefined]);
  });

  it('without a delivery is a command: done each time, and not remembered', async () => {
    const pool = await databases.pool();
    const participant = counters(pool);
    await participant.handle(add('a', 1));
    await participant.handle(add('a', 1));
    expect([await count(pool, 'messaging.inbox'), await valueOf(pool, 'a')]).toEqual([0, 2]);
  });

  it('tells the state it found when it was handled before', async () => {
    const participant = counters(await databases.pool());
    const first = delivery();
    await participant.handle(add('a', 1), first);
    await participant.handle(add('a', 1), delivery());
    expect(await participant.handle(add('a', 1), first)).toMatchObject({ value: 2 });
  });

  it.each([
    ['whose aggregate cannot be told', { aggregateOf: refusing(rules.aggregateOf) }],
    ['that has no first state', { initial: refusing(rules.initial) }],
  ])('%s fails by itself, and those beside it are handled', async (_what, broken) => {
    const pool = await databases.pool();
    const participant = counters(pool, { rules: { ...rules, ...broken } });
    const handled = await Promise.allSettled(
      ['first', 'a', 'bad', 'b'].map((id) => participant.handle(add(id, 1), delivery())),
    );
    expect(handled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(handled[2]).toMatchObject({ reason: { message: 'bad' } });
    expect(await count(pool, 'messaging.inbox')).toBe(3);
  });

  it('fails, and is told so, when the store rejects with nothing at all', async () => {
    const store = new CounterStore();
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- that is what is tested
    store.saving = () => Promise.reject();
    const participant = counters(await databases.pool(), { store });
    const handled = await Promise.allSettled(['a', 'b'].map((id) => participant.handle(add(id, 1), delivery())));
    const reason = { message: 'a transaction failed with undefined' };
    expect(handled).toMatchObject([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
    ]);
    store.saving = () => Promise.resolve();
    expect(await participant.handle(add('a', 1), delivery())).toMatchObject({ value: 1 });
  });

  it('older than the inbox remembers is refused as unprocessable, and those beside it are handled', async () => {
    const pool = await databases.pool();
    const participant = counters(pool);
    const handled = await Promise.allSettled([
      participant.handle(add('a', 1), delivery()),
      participant.handle(add('a', 1), delivery('counter_add', Date.now() - 7 * DAY_MS - 1000)),
      participant.handle(add('a', 1), delivery('counter_add', Date.now() - 7 * DAY_MS + 60_000)),
    ]);
    expect(handled).toMatchObject([
      { status: 'fulfilled' },
      {
        status: 'rejected',
        reason: { code: 'UNPROCESSABLE', message: expect.stringContaining('say it again under a new id') },
      },
      { status: 'fulfilled', value: { value: 2 } },
    ]);
  });
});

describe('inbox, state and outbox', () => {
  it('are kept together: when the state is refused, nothing is', async () => {
    const pool = await databases.pool();
    const shelf = new Shelf();
    await expect(counters(pool, { outlet: shelf }).handle(add('a', 1000), delivery())).rejects.toMatchObject({
      code: 'UNPROCESSABLE',
    });
    expect(await everything(pool)).toEqual([0, 0, 0]);
    expect(shelf.rows).toEqual([]);
  });

  it('are kept together: when the outbox cannot take what is said, nothing is', async () => {
    const pool = await databases.pool();
    // JSON may say it, jsonb cannot hold it.
    const participant = counters(pool, { outbound: (id, fact) => outbound(id, { ...fact, note: '\u0000' }) });
    await expect(participant.handle(add('a', 1), delivery())).rejects.toMatchObject({
      code: 'UNPROCESSABLE',
    });
    expect(await everything(pool)).toEqual([0, 0, 0]);
  });

  it('are kept together: a failed message can be handled again once the reason is gone', async () => {
    const pool = await databases.pool();
    const again = delivery();
    const store = new CounterStore();
    store.saving = () => Promise.reject(new Error('out of luck'));
    const participant = counters(pool, { store });
    await expect(participant.handle(add('a', 1), again)).rejects.toThrow('out of luck');
    store.saving = () => Promise.resolve();
    expect(await participant.handle(add('a', 1), again)).toMatchObject({ value: 1 });
  });

  it('carry CloudEvents headers, the same id as the row and the moment of the decision', async () => {
    const pool = await databases.pool();
    const shelf = new Shelf();
    const at = new Date();
    await counters(pool, { outlet: shelf, now: () => at }).handle(add('a', 1));
    expect(shelf.rows).toEqual([
      {
        id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-7/),
        aggregateId: 'a',
        subject: 'counters.added.a',
        data: '{"value":1}',
        headers: expect.objectContaining({
          'ce-id': shelf.rows[0]!.id,
          'ce-type': 'counters.added.v1',
          'ce-source': 'counter',
          'ce-subject': 'a',
          'ce-time': at.toISOString(),
        }),
      },
    ]);
  });

  const everything = (pool: Parameters<typeof count>[0]) =>
    Promise.all(['counters', 'messaging.inbox', 'messaging.outbox'].map((table) => count(pool, table)));
});

describe('messages that commit together', () => {
  it('leave those beside them untouched when they break a rule', async () => {
    const pool = await databases.pool();
    const participant = counters(pool);
    const handled = await Promise.allSettled([
      participant.handle(add('a', 1), delivery()),
      participant.handle({ type: 'break', orderId: 'a', data: 0 }, delivery()),
      participant.handle(add('a', 1), delivery()),
      participant.handle({ type: 'break', orderId: 'b', data: 0 }, delivery()),
      participant.handle(add('b', 1), delivery()),
    ]);
    expect(handled).toMatchObject([
      { value: { value: 1 } },
      { reason: { message: 'a rule of a was broken' } },
      { value: { value: 2 } },
      { reason: { message: 'a rule of b was broken' } },
      { value: { value: 1 } },
    ]);
    expect([await saidOf(pool, 'a'), await count(pool, 'messaging.inbox')]).toEqual([[{ value: 1 }, { value: 2 }], 3]);
  });

  it('leave those beside them untouched when the database refuses their data', async () => {
    const pool = await databases.pool();
    const participant = counters(pool);
    const handled = await Promise.allSettled([
      participant.handle(add('a', 1), delivery()),
      participant.handle(add('a', 90), delivery()),
      participant.handle(add('b', 1000), delivery()),
      participant.handle(add('a', 90), delivery()),
      participant.handle(add('a', 9), delivery()),
    ]);
    expect(handled).toMatchObject([
      { value: { value: 1 } },
      { value: { value: 91 } },
      { reason: { code: 'UNPROCESSABLE' } },
      { reason: { code: 'UNPROCESSABLE' } },
      { value: { value: 100 } },
    ]);
    expect([await saidOf(pool, 'a'), await valueOf(pool, 'b')]).toEqual([
      [{ value: 1 }, { value: 91 }, { value: 100 }],
      undefined,
    ]);
  });

  it('are those that waited while a transaction was in flight, up to 200 at a time', async () => {
    const pool = await databases.pool();
    const store = new CounterStore();
    const participant = counters(pool, { store });
    await Promise.all(Array.from({ length: 501 }, (_, i) => participant.handle(add(`c${i}`, 1), delivery())));
    expect(store.sets).toEqual([1, 200, 200, 100]);
    expect([await count(pool, 'counters'), await count(pool, 'messaging.outbox')]).toEqual([501, 501]);
  });

  it('of one aggregate are decided in the order they came', async () => {
    const pool = await databases.pool();
    const participant = counters(pool);
    const states = await Promise.all([1, 2, 3, 4, 5].map((n) => participant.handle(add('a', n), delivery())));
    expect(states.map(({ value }) => value)).toEqual([1, 3, 6, 10, 15]);
    expect(await saidOf(pool, 'a')).toEqual([1, 3, 6, 10, 15].map((value) => ({ value })));
  });

  it('are all offered to the outlet after the commit, and none before', async () => {
    const pool = await databases.pool();
    const shelf = new Shelf();
    const store = new CounterStore();
    const gate = Promise.withResolvers<void>();
    store.saving = () => gate.promise;
    const handled = counters(pool, { store, outlet: shelf }).handle(add('a', 1));
    await eventually(() => expect(store.sets).toHaveLength(1));
    expect(shelf.rows).toEqual([]);
    gate.resolve();
    await handled;
    expect(shelf.rows).toHaveLength(1);
  });
});

describe('two processes on one database', () => {
  it('that make the same new aggregate at once do it one after the other', async () => {
    const url = await databases.create();
    const [first, second] = await overlapping(url, (participant) => participant.handle(add('a', 3), delivery()));
    expect([await first, await second]).toMatchObject([{ value: 3 }, { value: 6 }]);
    expect(await valueOf(await databases.pool(url), 'a')).toBe(6);
  });

  it('that make the same new aggregate within larger sets lose nothing beside it', async () => {
    const url = await databases.create();
    const pool = await databases.pool(url);
    await Promise.all(
      ['x', 'y'].map(async (own) => {
        const participant = counters(await databases.pool(url));
        for (let round = 0; round < 10; round++)
          await Promise.all([own, `a${round}`, `b${round}`].map((id) => participant.handle(add(id, 1), delivery())));
      }),
    );
    for (let round = 0; round < 10; round++)
      expect([await valueOf(pool, `a${round}`), await valueOf(pool, `b${round}`)]).toEqual([2, 2]);
    expect([await valueOf(pool, 'x'), await valueOf(pool, 'y')]).toEqual([10, 10]);
  });

  it('that collide all the same decide again on what the other has stored', async () => {
    const pool = await databases.pool();
    const store = new CounterStore();
    // Somebody who does not hold the order, and stores what was not there a moment ago.
    const planted: { alone?: string; inASet?: string } = { alone: 'a', inASet: 'b' };
    store.loaded = async () => {
      const which = store.sets.at(-1) === 1 ? 'alone' : 'inASet';
      const id = planted[which];
      delete planted[which];
      if (id) await pool.query('INSERT INTO counters VALUES ($1, 10)', [id]);
    };
    const participant = counters(pool, { store });
    expect(await participant.handle(add('a', 1), delivery())).toMatchObject({ value: 11 });
    const set = await Promise.all(['x', 'b', 'c'].map((id) => participant.handle(add(id, 1), delivery())));
    expect(set.map(({ value }) => value)).toEqual([1, 11, 1]);
  });

  it('never wait for each other in a circle, and count every message once', async () => {
    const url = await databases.create();
    const pool = await databases.pool(url);
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const both = await Promise.all([1, 2].map(async () => counters(await databases.pool(url))));
    await Promise.all(
      Array.from({ length: 400 }, (_, i) => both[i % 2]!.handle(add(ids[(i * 7) % 5]!, 1), delivery())),
    );
    expect(await Promise.all(ids.map((id) => valueOf(pool, id)))).toEqual([80, 80, 80, 80, 80]);
    for (const id of ids) expect((await saidOf(pool, id)).length).toBe(80);
    await pool.query('SELECT pg_stat_force_next_flush()');
    const { rows } = await pool.query('SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()');
    expect(rows).toEqual([{ deadlocks: 0 }]);
  });
});

describe('a participant', () => {
  it('goes on after a set that failed as a whole', async () => {
    const pool = await databases.pool();
    const store = new CounterStore();
    store.loaded = () => Promise.reject(new Error('a mistake in the store'));
    const participant = counters(pool, { store });
    const handled = await Promise.allSettled(['a', 'b', 'c'].map((id) => participant.handle(add(id, 1), delivery())));
    expect(handled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    store.loaded = () => Promise.resolve();
    expect(await participant.handle(add('a', 1))).toMatchObject({ value: 1 });
  });

  it('hands every message of a set to the rules at the same moment', async () => {
    const moments: Date[] = [];
    const participant = counters(await databases.pool(), {
      rules: { ...rules, decide: (message, state, now) => (moments.push(now), rules.decide(message, state, now)) },
    });
    await Promise.all([1, 2, 3].map((n) => participant.handle(add('a', n))));
    expect(new Set(moments.slice(1)).size).toBe(1);
  });

  it('sends all that a set reads at once, and all that it writes', async () => {
    const pool = await databases.pool();
    const participant = counters(pool);
    await participant.handle(add('a', 1), delivery());
    const client = await pool.connect();
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    let course = '';
    client.query = ((...args: unknown[]) => {
      course += '>';
      return query(...args).finally(() => (course += '<'));
    }) as typeof client.query;
    client.release();
    await participant.handle(add('a', 1), delivery());
    expect(course).toBe('>>>><<<<>>><<<><');
  });

  it('refuses a pool that would send one statement after the other', async () => {
    const pool = new Pool({ connectionString: await databases.create() });
    await expect(counters(pool).handle(add('a', 1))).rejects.toThrow('pipeline: true');
    await pool.end();
  });
});
