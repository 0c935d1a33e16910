import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { eventually, RUN_FROM_SOURCE } from '@pavane/testing';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { DEAD_LETTER } from './dead-letter.js';
import { RetryLater } from '../errors.js';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED), { ack_wait: 500e6 });
});
afterEach(() => broker[Symbol.asyncDispose]());

/** Starts that have not come to an end, by message. */
const strikes = async () => {
  const kv = await new Kvm(jetstream(broker.nc)).open('attempts');
  const entries: Record<string, number> = {};
  for await (const key of await kv.keys()) {
    const { unfinished } = (await kv.get(key))!.json<{ unfinished: number }>();
    if (unfinished > 0) entries[key] = unfinished;
  }
  return entries;
};

describe('a message that kills its process', () => {
  it('becomes a dead letter, and those in flight beside it never do', async () => {
    await broker.publish('orders.created.killer', { deadly: true });
    const innocent = ['a', 'b', 'c', 'd'];
    for (const order of innocent) await broker.publish(`orders.created.${order}`);
    const handled = new Set<string>();
    let deaths = 0;
    let done = false;
    while (!done) {
      const child = spawn(
        process.execPath,
        [...RUN_FROM_SOURCE, join(import.meta.dirname, '../testing/deadly.ts'), broker.server.url],
        {
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      );
      child.stdout.on('data', (chunk: Buffer) => {
        for (const [, order] of chunk.toString().matchAll(/handled (\S+)/g)) handled.add(order!);
      });
      const died = new Promise<'died'>((resolve) => child.once('exit', () => resolve('died')));
      const finished = eventually(async () => expect(await broker.stored()).toBe(0), { withinMs: 20_000 }).then(
        () => 'finished',
      );
      const end = await Promise.race([died, finished]);
      finished.catch(() => undefined);
      if (end === 'died') deaths++;
      done = end === 'finished' || deaths > 20;
      child.kill('SIGKILL');
      await died;
    }
    // Five deliveries like any other message, then three as the only suspect under way.
    expect(deaths).toBe(8);
    expect([...handled].toSorted()).toEqual(innocent);
    const letters = await broker.deadLetters();
    expect(letters.map(({ subject }) => subject)).toEqual([`dlq.${CREATED.durable}.orders.created.killer`]);
    expect(letters[0]!.headers[DEAD_LETTER.reason]).toMatch(
      /started 3 times .* never finished: it probably kills its process/,
    );
    expect(letters[0]!.headers[DEAD_LETTER.code]).toBe('NEVER_FINISHED');
    expect(letters[0]!.headers[DEAD_LETTER.attempts]).toBe('8');
  }, 90_000);
});

describe('a message delivered often by no fault of its own', () => {
  // Where it waits in its own stream, its deliveries go on being counted.
  const short = {
    waitingRoom: false as const,
    maxAttempts: 2,
    backoff: { failed: { firstMs: 10, maxMs: 20 }, away: { firstMs: 10, maxMs: 20 } },
  };

  it('is handled as a suspect as often as the dependency takes, leaving no strike', async () => {
    let starts = 0;
    const noted: unknown[] = [];
    await using _service = await Service.start(
      broker.server.url,
      [
        on(CREATED, async () => {
          noted.push(await strikes());
          if (++starts < 8) throw new RetryLater('the database is away');
        }),
      ],
      short,
    );
    await broker.publish('orders.created.o1');
    await eventually(async () => expect(await broker.stored()).toBe(0));
    expect(starts).toBe(8);
    const strike = { [`SAGA.${CREATED.durable}.1`]: 1 };
    expect(noted).toEqual([{}, {}, strike, strike, strike, strike, strike, strike]);
    await eventually(async () => expect(await strikes()).toEqual({}));
    expect(await broker.deadLetters()).toEqual([]);
  });

  it('waits while strikes cannot be noted', async () => {
    const jsm = await jetstreamManager(broker.nc);
    await jsm.streams.delete('KV_attempts');
    let starts = 0;
    await using _service = await Service.start(
      broker.server.url,
      [
        on(CREATED, () => {
          if (++starts <= 2) throw new RetryLater('away');
        }),
      ],
      short,
    );
    await broker.publish('orders.created.o1');
    await eventually(async () =>
      expect((await broker.consumer(CREATED.durable)).delivered.consumer_seq).toBeGreaterThan(5),
    );
    expect(starts).toBe(2);
    await broker.provision(durablesOf(CREATED), { ack_wait: 500e6 });
    await eventually(async () => expect(await broker.stored()).toBe(0));
    expect(starts).toBe(3);
    expect(await broker.deadLetters()).toEqual([]);
  });

  it('is handled while no other suspect is', async () => {
    let running = 0;
    let most = 0;
    const seen = new Map<string, number>();
    await using _service = await Service.start(
      broker.server.url,
      [
        on(CREATED, async (_, { event }) => {
          const time = (seen.get(event.subject) ?? 0) + 1;
          seen.set(event.subject, time);
          if (time <= 2) throw new RetryLater('away');
          most = Math.max(most, ++running);
          await new Promise((resolve) => setTimeout(resolve, 5));
          running--;
        }),
      ],
      { ...short, maxAttempts: 1 },
    );
    for (let order = 0; order < 10; order++) await broker.publish(`orders.created.o${order}`);
    await eventually(async () => expect(await broker.stored()).toBe(0));
    expect(most).toBe(1);
    expect(await broker.deadLetters()).toEqual([]);
  });
});
