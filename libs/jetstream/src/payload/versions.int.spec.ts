import { eventually } from '@pavane/testing';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED));
});
afterEach(() => broker[Symbol.asyncDispose]());

const settled = () => broker.settled(CREATED.durable);

describe('an event and its version', () => {
  const hearing = (version: number) => ({ ...CREATED, type: `orders.created.v${version}` });

  it('is left to an instance that knows it when it is newer; what an older instance knows it goes on handling', async () => {
    const old: string[] = [];
    const young: string[] = [];
    await using _old = await Service.start(broker.server.url, [on(hearing(1), (_, { event }) => old.push(event.type))]);
    for (const key of ['o1', 'o2', 'o3'])
      await broker.publish(`orders.created.${key}`, {}, { 'ce-type': 'orders.created.v2' });
    await broker.publish('orders.created.o4');
    await eventually(() => expect(old).toEqual(['orders.created.v1']));
    await eventually(async () => expect(await broker.stored()).toBe(3));
    await using _young = await Service.start(broker.server.url, [
      on(hearing(2), (_, { event }) => young.push(event.subject)),
    ]);
    await settled();
    expect(young.toSorted()).toEqual(['o1', 'o2', 'o3']);
    expect(old).toHaveLength(1);
    expect(await broker.deadLetters()).toEqual([]);
  });

  it('holds up nobody when no instance knows it', async () => {
    const known: string[] = [];
    await using _service = await Service.start(
      broker.server.url,
      [on(hearing(1), (_, { event }) => known.push(event.subject))],
      { backoff: { failed: { firstMs: 60_000, maxMs: 60_000 } } },
    );
    await broker.publish('orders.created.unheard-of', {}, { 'ce-type': 'orders.created.v9' });
    const others = Array.from({ length: 100 }, (_, i) => `o${i}`);
    for (const key of others) await broker.publish(`orders.created.${key}`);
    await eventually(async () => expect(await broker.stored()).toBe(1));
    expect(known.toSorted()).toEqual(others.toSorted());
    expect(await broker.deadLetters()).toEqual([]);
  });

  it('is handled as the present version says it when it is an earlier one that is still heard', async () => {
    const handled: unknown[] = [];
    await using _service = await Service.start(broker.server.url, [
      on({ ...hearing(2), earlier: { 'orders.created.v1': (data) => ({ ...data, channel: 'web' }) } }, (data) =>
        handled.push(data),
      ),
    ]);
    await broker.publish('orders.created.o1', { n: 1 });
    await broker.publish('orders.created.o1', { n: 2, channel: 'shop' }, { 'ce-type': 'orders.created.v2' });
    await settled();
    expect(handled).toEqual([
      { n: 1, channel: 'web' },
      { n: 2, channel: 'shop' },
    ]);
  });
});
