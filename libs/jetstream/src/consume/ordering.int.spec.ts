import { eventually } from '@pavane/testing';
import { Broker } from '../testing/broker.js';
import { CANCELLED, CREATED, durablesOf, gate, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED, CANCELLED));
});
afterEach(() => broker[Symbol.asyncDispose]());

describe('events of one key', () => {
  it('are handled one after the other across all durables of the process', async () => {
    const running = new Map<string, number>();
    let overlaps = 0;
    let handled = 0;
    let most = 0;
    const handle = async (_: unknown, { event }: { event: { subject: string } }) => {
      const now = (running.get(event.subject) ?? 0) + 1;
      running.set(event.subject, now);
      most = Math.max(
        most,
        [...running.values()].reduce((sum, n) => sum + n, 0),
      );
      if (now > 1) overlaps++;
      await new Promise((resolve) => setTimeout(resolve, 1));
      running.set(event.subject, now - 1);
      handled++;
    };
    await using _service = await Service.start(broker.server.url, [on(CREATED, handle), on(CANCELLED, handle)]);
    for (let n = 0; n < 50; n++) {
      await broker.publish(`orders.created.o${n % 5}`);
      await broker.publish(`orders.cancelled.o${n % 5}`);
    }
    await eventually(() => expect(handled).toBe(100));
    expect(overlaps).toBe(0);
    expect(most).toBeGreaterThan(1);
  });

  it('are handled in the order of the stream within a durable', async () => {
    const seen: number[] = [];
    await using _service = await Service.start(broker.server.url, [
      on(CREATED, async (data) => {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
        seen.push(data['n'] as number);
      }),
    ]);
    for (let n = 0; n < 50; n++) await broker.publish('orders.created.o1', { n });
    await eventually(() => expect(seen).toHaveLength(50));
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  it('occupy one slot, so that a hot key does not stop the others', async () => {
    const hot = gate();
    const others: string[] = [];
    await using _service = await Service.start(broker.server.url, [
      on(
        CREATED,
        async (_, { event }) => {
          if (event.subject === 'hot') await hot.opened;
          else others.push(event.subject);
        },
        { concurrency: 4 },
      ),
    ]);
    // Three times the window of one durable.
    for (let n = 0; n < 24; n++) await broker.publish('orders.created.hot');
    for (let n = 0; n < 10; n++) await broker.publish(`orders.created.o${n}`);
    await eventually(() => expect(others).toHaveLength(10), { withinMs: 3_000 });
    hot.open();
    await eventually(async () => expect(await broker.stored()).toBe(0));
  });
});

describe('concurrency', () => {
  it('is bounded per durable, so that a slow one does not delay another', async () => {
    const slow = gate();
    let running = 0;
    const quick: string[] = [];
    await using _service = await Service.start(broker.server.url, [
      on(
        CREATED,
        async () => {
          running++;
          await slow.opened;
        },
        { concurrency: 3 },
      ),
      on(CANCELLED, (_, { event }) => quick.push(event.subject)),
    ]);
    for (let n = 0; n < 40; n++) await broker.publish(`orders.created.a${n}`);
    for (let n = 0; n < 40; n++) await broker.publish(`orders.cancelled.b${n}`);
    await eventually(() => expect(quick).toHaveLength(40));
    await eventually(() => expect(running).toBe(3));
    // Prefetched beyond what runs: at most as much again.
    expect((await broker.consumer(CREATED.durable)).num_ack_pending).toBeLessThanOrEqual(6);
    slow.open();
    await eventually(async () => expect(await broker.stored()).toBe(0));
  });
});
