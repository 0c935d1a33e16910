import { Controller } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { eventually } from '@pavane/testing';
import { JETSTREAM } from '../nest/subscription.js';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
});
afterEach(() => broker[Symbol.asyncDispose]());

describe('binding', () => {
  it('serves two durables on one subject, each with every event', async () => {
    const OTHER = { ...CREATED, durable: 'payment_orders-created-again' };
    await broker.provision(durablesOf(CREATED, OTHER));
    const seen: string[] = [];
    await using _service = await Service.start(broker.server.url, [
      on(CREATED, (_, { durable }) => seen.push(durable)),
      on(OTHER, (_, { durable }) => seen.push(durable)),
    ]);
    await broker.publish('orders.created.o1');
    await eventually(() => expect(seen.toSorted()).toEqual([CREATED.durable, OTHER.durable]));
  });

  it('runs every handler of one durable to its end, and fails the message when one of them fails', async () => {
    await broker.provision(durablesOf(CREATED));
    const ended: string[] = [];
    await using _service = await Service.start(broker.server.url, [
      on(CREATED, (_, { deliveryCount }) => {
        if (deliveryCount === 1) throw new Error('not yet');
        ended.push(`first ${deliveryCount}`);
      }),
      on(CREATED, async (_, { deliveryCount }) => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        ended.push(`second ${deliveryCount}`);
      }),
    ]);
    await broker.publish('orders.created.o1');
    await eventually(() => expect(ended).toEqual(['second 1', 'first 2', 'second 2']));
  });

  it('takes subjects with wildcards anywhere and names durables after the service and the subject', async () => {
    await broker.provision({ payment_orders: 'orders.>' });
    const seen: string[] = [];
    @Controller()
    class Everything {
      @((EventPattern as (subject: string, transport: symbol) => MethodDecorator)('orders.>', JETSTREAM))
      heard(): void {
        seen.push('heard');
      }
    }
    await using _service = await Service.start(broker.server.url, [Everything]);
    await broker.publish('orders.created.o1');
    await broker.publish('orders.a.b.c.o2');
    await eventually(() => expect(seen).toHaveLength(2));
  });

  it('refuses two subjects for one durable', async () => {
    const wrong = { ...CREATED, subject: 'orders.cancelled.*' };
    await expect(Service.start(broker.server.url, [on(CREATED, () => 0), on(wrong, () => 0)])).rejects.toThrow(
      /Durable 'payment_orders-created' has handlers for 'orders.created.\*' and 'orders.cancelled.\*'/,
    );
  });

  it('says what is missing and which command to run, and takes up work once it is provisioned', async () => {
    const seen: string[] = [];
    await using service = await Service.start(broker.server.url, [
      on(CREATED, (_, { event }) => seen.push(event.subject)),
    ]);
    await eventually(() =>
      expect(service.health.check().problems).toEqual([
        "Stream 'SAGA' of consumer 'payment_orders-created' does not exist. Run 'npm run topology -- apply'.",
      ]),
    );
    expect(service.health.check()).toMatchObject({ ok: false, broker: 'up', bound: false });
    expect(service.health.everBound).toBe(false);
    await broker.provision({ other: 'orders.created.*' });
    await eventually(() =>
      expect(service.health.check().problems).toEqual([
        "Consumer 'payment_orders-created' does not exist in stream 'SAGA'. Run 'npm run topology -- apply'.",
      ]),
    );
    await broker.provision(durablesOf(CREATED));
    await eventually(() => expect(service.health.check()).toMatchObject({ ok: true, problems: [] }));
    expect(service.health.everBound).toBe(true);
    await broker.publish('orders.created.o1');
    await eventually(() => expect(seen).toEqual(['o1']));
  });

  it('refuses a consumer whose filter is not the subject of the handler', async () => {
    await broker.provision({ [CREATED.durable]: 'orders.cancelled.*' });
    await using service = await Service.start(broker.server.url, [on(CREATED, () => 0)]);
    await eventually(() =>
      expect(service.health.check().problems[0]).toMatch(
        /filters 'orders.cancelled.\*' but its handler is for 'orders.created.\*'/,
      ),
    );
  });

  it('refuses a consumer that stops delivering, since its messages would be stranded', async () => {
    await broker.provision(durablesOf(CREATED), { max_deliver: 5 });
    await using service = await Service.start(broker.server.url, [on(CREATED, () => 0)]);
    await eventually(() => expect(service.health.check().problems[0]).toMatch(/max_deliver must be -1/));
  });
});
