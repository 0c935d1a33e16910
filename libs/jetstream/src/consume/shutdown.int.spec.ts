import { eventually } from '@pavane/testing';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, gate, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
  // Long enough that nothing below can be explained by a redelivery after ack_wait.
  await broker.provision(durablesOf(CREATED), { ack_wait: 60e9 });
});
afterEach(() => broker[Symbol.asyncDispose]());

describe('stopping', () => {
  it('finishes what runs, hands back what has not started, and another instance has it at once', async () => {
    const work = gate();
    const first: string[] = [];
    const second: string[] = [];
    const deliveries = new Set<number>();
    await using one = await Service.start(broker.server.url, [
      on(
        CREATED,
        async (_, { event }) => {
          first.push(event.subject);
          await work.opened;
        },
        { concurrency: 4 },
      ),
    ]);
    for (let order = 0; order < 20; order++) await broker.publish(`orders.created.o${order}`);
    await eventually(() => expect(first).toHaveLength(4));
    const stopped = one.server.stopIntake();
    expect(one.server.stopIntake()).toBe(stopped);
    await stopped;
    await using _two = await Service.start(broker.server.url, [
      on(CREATED, (_, { event, deliveryCount }) => {
        second.push(event.subject);
        deliveries.add(deliveryCount);
      }),
    ]);
    await eventually(() => expect(second).toHaveLength(16), { withinMs: 2_000 });
    expect(first).toHaveLength(4);
    // Those handed back count one delivery more, the others none.
    expect([...deliveries].toSorted()).toEqual([1, 2]);

    let closed = false;
    const closing = one.server.close().then(() => (closed = true));
    expect(one.server.close()).toBe(one.server.close());
    await eventually(async () => expect((await broker.consumer(CREATED.durable)).num_ack_pending).toBe(4));
    expect(closed).toBe(false);
    work.open();
    await closing;
    expect(await broker.stored()).toBe(0);
    expect(new Set([...first, ...second]).size).toBe(20);
    expect(await broker.deadLetters()).toEqual([]);
  });

  it('loses and strands nothing when instances are replaced under load', async () => {
    const handled = new Map<string, number>();
    const handler = on(CREATED, async (_, { event }) => {
      await new Promise((resolve) => setTimeout(resolve, 2));
      handled.set(event.id, (handled.get(event.id) ?? 0) + 1);
    });
    let service = await Service.start(broker.server.url, [handler]);
    const ids: string[] = [];
    for (let round = 0; round < 5; round++) {
      for (let order = 0; order < 100; order++) ids.push(await broker.publish(`orders.created.o${order}`));
      const next = await Service.start(broker.server.url, [handler]);
      await service[Symbol.asyncDispose]();
      service = next;
    }
    await eventually(() => expect(handled.size).toBe(ids.length), { withinMs: 5_000 });
    await eventually(async () => expect(await broker.stored()).toBe(0));
    expect([...handled.values()].every((times) => times === 1)).toBe(true);
    await service[Symbol.asyncDispose]();
  });

  it('works when nothing was ever bound', async () => {
    await using service = await Service.start('nats://127.0.0.1:1', [on(CREATED, () => undefined)]);
    await service.server.close();
    await service.connection.drain();
    expect(service.health.check().broker).toBe('down');
  });
});
