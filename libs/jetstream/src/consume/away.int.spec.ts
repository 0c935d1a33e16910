import { eventually } from '@pavane/testing';
import { RetryLater } from '../errors.js';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

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
    await using service = await Service.start(
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
    await service.connection.ready();
    for (let order = 0; order < 100; order++) await broker.publish(`orders.created.o${order}`);
    // The first burst finds out: as many in a row as are handled at a time, and those under way beside them.
    await eventually(() => expect(service.health.check().findings).toEqual([expect.stringMatching(/rests since/)]));
    await eventually(() => expect(running).toBe(0));
    expect(probes.length).toBeLessThanOrEqual(2 * 16);
    most = 0;
    const known = probes.length;
    await eventually(() => expect(probes.length).toBeGreaterThanOrEqual(known + 3));
    // One of those in the stream, one of those in the waiting room.
    expect(most).toBeLessThanOrEqual(2);
    expect(probes[known + 2]! - probes[known]!).toBeGreaterThan(95);
    expect(service.health.check()).toMatchObject({
      ok: true,
      findings: [
        expect.stringMatching(/^Consumer 'payment_orders-created' rests .*: the database is away\. It probes/),
      ],
    });
    away = false;
    await eventually(async () => expect(await broker.stored()).toBe(0));
    expect(most).toBeGreaterThan(1);
    expect(await broker.deadLetters()).toEqual([]);
  });

  it('what it had received and not started is handled by another instance at once', async () => {
    const tried: string[] = [];
    const elsewhere: string[] = [];
    await using first = await Service.start(
      broker.server.url,
      [
        on(
          CREATED,
          async (_, { event }) => {
            tried.push(event.subject);
            throw new RetryLater('only my own connection is broken');
          },
          { concurrency: 1 },
        ),
      ],
      { backoff: { failed: { firstMs: 20, maxMs: 100 }, away: { firstMs: 60_000, maxMs: 60_000 } } },
    );
    for (let n = 0; n < 8; n++) await broker.publish(`orders.created.o${n}`);
    await eventually(() => expect(first.health.check().findings).toHaveLength(1));
    expect(tried).toHaveLength(5);
    await using _second = await Service.start(broker.server.url, [
      on(CREATED, (_, { event }) => elsewhere.push(event.subject)),
    ]);
    await eventually(() => expect(elsewhere.toSorted()).toEqual(['o5', 'o6', 'o7']), { withinMs: 5_000 });
  });

  it('a failure nobody has an explanation for makes the durable rest as well, and buries nobody', async () => {
    let broken = true;
    let starts = 0;
    await using service = await Service.start(broker.server.url, [
      on(CREATED, () => {
        starts++;
        if (broken)
          throw Object.assign(new Error('cannot execute INSERT in a read-only transaction'), { code: '25006' });
      }),
    ]);
    for (let order = 0; order < 50; order++) await broker.publish(`orders.created.o${order}`);
    await eventually(() =>
      expect(service.health.check().findings).toEqual([expect.stringMatching(/rests since .*read-only transaction/)]),
    );
    const known = starts;
    await eventually(() => expect(starts).toBeGreaterThan(known + 8));
    broken = false;
    await eventually(async () => expect(await broker.stored()).toBe(0));
    expect(service.health.check().findings).toEqual([]);
    expect(await broker.deadLetters()).toEqual([]);
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
