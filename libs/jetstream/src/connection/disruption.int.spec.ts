import { jetstreamManager } from '@nats-io/jetstream';
import { eventually, freePort } from '@pavane/testing';
import { Broker } from '../testing/broker.js';
import { CANCELLED, CREATED, durablesOf, gate, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED, CANCELLED), { ack_wait: 1e9 });
});
afterEach(() => broker[Symbol.asyncDispose]());

describe('when the broker goes away', () => {
  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'and comes back (%s), consuming goes on by itself and no event is lost',
    async (signal) => {
      const seen = new Set<string>();
      await using service = await Service.start(broker.server.url, [
        on(CREATED, (_, { event }) => seen.add(event.id)),
        on(CANCELLED, (_, { event }) => seen.add(event.id)),
      ]);
      const ids = [await broker.publish('orders.created.o1'), await broker.publish('orders.cancelled.o1')];
      await eventually(() => expect(seen.size).toBe(2));
      await broker.server.stop(signal);
      await eventually(() => expect(service.health.check()).toMatchObject({ ok: false, broker: 'down' }));
      expect(service.health.everBound).toBe(true);
      await broker.server.restart();
      await eventually(() =>
        expect(service.health.check()).toEqual({ ok: true, broker: 'up', bound: true, problems: [], findings: [] }),
      );
      await broker.reachable();
      const started = performance.now();
      for (let n = 0; n < 20; n++) {
        ids.push(await broker.publish(`orders.created.o${n}`));
        ids.push(await broker.publish(`orders.cancelled.o${n}`));
      }
      await eventually(() => expect(ids.every((id) => seen.has(id))).toBe(true));
      expect(performance.now() - started).toBeLessThan(3_000);
      await eventually(async () => expect(await broker.stored()).toBe(0));
    },
  );

  it('a handler under way finishes, and its message is settled by a later delivery', async () => {
    const work = gate();
    const deliveries: number[] = [];
    await using service = await Service.start(broker.server.url, [
      on(CREATED, async (_, { deliveryCount }) => {
        deliveries.push(deliveryCount);
        if (deliveryCount === 1) await work.opened;
      }),
    ]);
    await broker.publish('orders.created.o1');
    await eventually(() => expect(deliveries).toEqual([1]));
    await broker.server.stop('SIGKILL');
    await eventually(() => expect(service.connection.isConnected).toBe(false));
    work.open();
    await broker.server.restart();
    await broker.reachable();
    await eventually(async () => expect(await broker.stored()).toBe(0));
    expect(deliveries).toHaveLength(2);
    expect(await broker.deadLetters()).toEqual([]);
  });
});

describe('when the broker is not there at the start', () => {
  it('the service starts all the same and takes up work when it comes', async () => {
    const port = await freePort();
    const seen: string[] = [];
    await using service = await Service.start(`nats://127.0.0.1:${port}`, [
      on(CREATED, (_, { event }) => seen.push(event.subject)),
    ]);
    expect(service.health.check()).toMatchObject({ ok: false, broker: 'down', bound: false });
    await using late = await Broker.start({ port });
    await late.provision(durablesOf(CREATED));
    await late.publish('orders.created.o1');
    await eventually(() => expect(seen).toEqual(['o1']));
    expect(service.health.check().ok).toBe(true);
  });
});

describe('when a consumer is removed and made again', () => {
  it('health names it meanwhile, and consuming goes on afterwards', async () => {
    const seen: string[] = [];
    await using service = await Service.start(broker.server.url, [
      on(CREATED, (_, { event }) => seen.push(event.subject)),
    ]);
    await eventually(() => expect(service.health.check().ok).toBe(true));
    await (await jetstreamManager(broker.nc)).consumers.delete('SAGA', CREATED.durable);
    await eventually(() =>
      expect(service.health.check().problems[0]).toMatch(/Consumer 'payment_orders-created' does not exist/),
    );
    await broker.provision(durablesOf(CREATED));
    await broker.publish('orders.created.o1');
    await eventually(() => expect(seen).toEqual(['o1']));
    expect(service.health.check().ok).toBe(true);
  });
});

describe('when the broker freezes', () => {
  it('consuming goes on after it thaws', async () => {
    const seen: string[] = [];
    await using service = await Service.start(
      broker.server.url,
      [on(CREATED, (_, { event }) => seen.push(event.subject))],
      {
        connection: {
          servers: broker.server.url,
          pingInterval: 200,
          maxPingOut: 2,
          timeout: 500,
          reconnectTimeWait: 50,
        },
      },
    );
    await eventually(() => expect(service.health.check().ok).toBe(true));
    await broker.server.pause();
    await eventually(() => expect(service.health.check().broker).toBe('down'));
    broker.server.resume();
    await eventually(() => expect(service.health.check().ok).toBe(true));
    await broker.reachable();
    await broker.publish('orders.created.o1');
    await eventually(() => expect(seen).toContain('o1'));
  });
});

describe('when the connection is closed for good although nobody asked', () => {
  it('the fatal hook is told, once', async () => {
    const told: string[] = [];
    await using service = await Service.start(broker.server.url, [], { onFatal: (error) => told.push(error.message) });
    await service.connection.ready();
    await service.connection.nc.close();
    await eventually(() =>
      expect(told).toEqual([expect.stringMatching(/^The connection of payment to its broker is closed for good/)]),
    );
    expect(service.connection.isConnected).toBe(false);
  });

  it('the fatal hook is not told of a close that was asked for', async () => {
    const told: unknown[] = [];
    await using service = await Service.start(broker.server.url, [], { onFatal: (error) => told.push(error) });
    await service.connection.ready();
    await service.connection.drain();
    expect(told).toEqual([]);
  });
});
