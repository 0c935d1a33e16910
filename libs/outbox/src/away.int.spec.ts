import { jest } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { v7 as uuidv7 } from 'uuid';
import { add, count, CounterDatabases, counters, CounterStore, saidOf, Shelf, valueOf } from './counter.fixture.js';
import { Cutter } from './cutter.fixture.js';

let databases: CounterDatabases;
beforeAll(async () => {
  databases = await CounterDatabases.start();
}, 60_000);
afterAll(() => databases?.[Symbol.asyncDispose]());

const delivery = () => ({ id: uuidv7(), durable: 'counter_add' });
const LATER = { status: 'rejected', reason: { code: 'RETRY_LATER' } };

describe('a database that is killed in the middle of a transaction', () => {
  it('makes every message of the set wait, and takes them when it is back', async () => {
    const pool = await databases.pool();
    const store = new CounterStore();
    const shelf = new Shelf();
    const participant = counters(pool, { store, outlet: shelf });
    const messages = ['a', 'b', 'c'].map((id) => ({ message: add(id, 1), delivery: delivery() }));
    const handleAll = () => Promise.allSettled(messages.map((m) => participant.handle(m.message, m.delivery)));

    const killed = Promise.withResolvers<void>();
    store.saving = () => killed.promise;
    const handled = handleAll();
    await eventually(() => expect(store.sets).toHaveLength(1));
    await databases.server.stop('SIGKILL');
    killed.resolve();
    expect(await handled).toMatchObject([LATER, LATER, LATER]);

    // While it is away, too.
    expect(await handleAll()).toMatchObject([LATER, LATER, LATER]);
    expect(shelf.rows).toEqual([]);

    await databases.server.restart();
    expect(await handleAll()).toMatchObject([
      { value: { value: 1 } },
      { value: { value: 1 } },
      { value: { value: 1 } },
    ]);
    expect([await count(pool, 'messaging.inbox'), shelf.rows.length]).toEqual([3, 3]);
  });
});

describe('messages that wait behind a set when the database goes away', () => {
  it('are told at once, without a try of their own', async () => {
    const pool = await databases.pool();
    const store = new CounterStore();
    const participant = counters(pool, { store });
    const killed = Promise.withResolvers<void>();
    store.saving = () => killed.promise;
    const first = participant.handle(add('a', 1)).catch((error: unknown) => error);
    await eventually(() => expect(store.sets).toHaveLength(1));
    const connect = jest.spyOn(pool, 'connect');
    const behind = Array.from({ length: 500 }, (_, i) =>
      participant.handle(add(`b${i}`, 1)).catch((error: unknown) => error),
    );
    await databases.server.stop('SIGKILL');
    killed.resolve();
    const reason = await first;
    expect(reason).toMatchObject({ code: 'RETRY_LATER' });
    expect(new Set(await Promise.all(behind))).toEqual(new Set([reason]));
    expect(connect).not.toHaveBeenCalled();

    await databases.server.restart();
    expect(await participant.handle(add('a', 1))).toMatchObject({ value: 1 });
  });

  it('go on when only one statement before them took too long', async () => {
    const pool = await databases.pool();
    const store = new CounterStore();
    const participant = counters(pool, { store });
    const [saving, waited] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.saving = () => {
      saving.resolve();
      return waited.promise;
    };
    const first = participant.handle(add('a', 1));
    await saving.promise;
    const second = participant.handle(add('b', 1));
    store.saving = () => Promise.resolve();
    waited.reject(Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' }));
    await expect(first).rejects.toMatchObject({ code: 'RETRY_LATER' });
    expect(await second).toMatchObject({ value: 1 });
  });
});

describe('a commit whose answer is lost', () => {
  it('leaves the outcome open; handled again, it changes nothing twice', async () => {
    const url = await databases.create();
    const pool = await databases.pool(url);
    await using cutter = await Cutter.before(url);
    const shelf = new Shelf();
    const participant = counters(await databases.pool(cutter.url), { outlet: shelf });
    const once = delivery();

    cutter.loseNextCommit();
    await expect(participant.handle(add('a', 5), once)).rejects.toMatchObject({ code: 'RETRY_LATER' });
    await eventually(async () => expect(await valueOf(pool, 'a')).toBe(5));

    expect(await participant.handle(add('a', 5), once)).toMatchObject({ value: 5 });
    expect(await saidOf(pool, 'a')).toEqual([{ value: 5 }]);
    // What was said waits in the table for the sweep: nobody here may think it was never stored.
    expect([shelf.rows, await count(pool, 'messaging.outbox WHERE published_at IS NULL')]).toEqual([[], 1]);
  });
});

describe('a session that is ended by an administrator', () => {
  it('is replaced, and the message it was about waits', async () => {
    const pool = await databases.pool();
    const store = new CounterStore();
    const participant = counters(pool, { store });
    const once = delivery();
    const admin = await databases.pool(pool.options.connectionString);
    store.saving = async () => {
      await admin.query(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
      );
    };
    await expect(participant.handle(add('a', 1), once)).rejects.toMatchObject({ code: 'RETRY_LATER' });
    store.saving = () => Promise.resolve();
    expect(await participant.handle(add('a', 1), once)).toMatchObject({ value: 1 });
  });
});
