import { eventually } from '@pavane/testing';
import { RetryLater } from './errors.js';
import { Broker } from './testing/broker.js';
import { CREATED, durablesOf, on } from './testing/handlers.js';
import { Service } from './testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED));
});
afterEach(() => broker[Symbol.asyncDispose]());

describe('while a dependency is away', () => {
  it('the durable rests, probes with single messages at growing pauses, and resumes with the first success', async () => {
    let away = true;
    let running = 0;
    let most = 0;
    const probes: number[] = [];
    await using _service = await Service.start(
      broker.server.url,
      [
        on(CREATED, async () => {
          most = Math.max(most, ++running);
          await new Promise((resolve) => setImmediate(resolve));
          running--;
          if (!away) return;
          probes.push(performance.now());
          throw new RetryLater('the database is away');
        }),
      ],
      { backoff: { failed: { firstMs: 20, maxMs: 100 }, away: { firstMs: 200, maxMs: 400 } } },
    );
    for (let order = 0; order < 100; order++) await broker.publish(`orders.created.o${order}`);
    // The first burst finds out; after it, one message at a time.
    await eventually(() => expect(probes.length).toBeGreaterThan(2));
    const burst = probes.filter((time) => time - probes[0]! < 100).length;
    expect(burst).toBeLessThanOrEqual(16);
    most = 0;
    const known = probes.length;
    await eventually(() => expect(probes.length).toBeGreaterThan(known + 3));
    expect(most).toBe(1);
    for (let i = known + 1; i < probes.length; i++) expect(probes[i]! - probes[i - 1]!).toBeGreaterThan(95);
    away = false;
    await eventually(async () => expect(await broker.stored()).toBe(0));
    expect(most).toBeGreaterThan(1);
    expect(await broker.deadLetters()).toEqual([]);
  });

  it('what it had received and not started is handled by another instance at once', async () => {
    let rested = false;
    const elsewhere: string[] = [];
    await using _first = await Service.start(
      broker.server.url,
      [
        on(
          CREATED,
          async () => {
            rested = true;
            throw new RetryLater('only my own connection is broken');
          },
          { concurrency: 1 },
        ),
      ],
      { backoff: { failed: { firstMs: 20, maxMs: 100 }, away: { firstMs: 60_000, maxMs: 60_000 } } },
    );
    await broker.publish('orders.created.o1');
    await broker.publish('orders.created.o2');
    await broker.publish('orders.created.o3');
    await eventually(() => expect(rested).toBe(true));
    await using _second = await Service.start(broker.server.url, [
      on(CREATED, (_, { event }) => elsewhere.push(event.subject)),
    ]);
    await eventually(() => expect(elsewhere.toSorted()).toEqual(['o2', 'o3']), { withinMs: 2_000 });
  });

  it('waits as long as the error asks for', async () => {
    const times: number[] = [];
    await using _service = await Service.start(broker.server.url, [
      on(CREATED, () => {
        times.push(performance.now());
        if (times.length === 1) throw new RetryLater('too many requests', { delayMs: 700 });
      }),
    ]);
    await broker.publish('orders.created.o1');
    await eventually(() => expect(times).toHaveLength(2));
    expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(695);
  });
});
