import { Controller, type Type } from '@nestjs/common';
import { eventually } from '@pavane/testing';
import { IsString } from 'class-validator';
import { JetStreamEvents } from './jetstream-events.decorator.js';
import type { JetStreamContext } from './jetstream.context.js';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

class OrderCreated {
  @IsString() sku!: string;
}
const CANCELLED = { stream: 'SAGA', subject: 'orders.cancelled.*', durable: 'payment_orders-cancelled' };
const subscriptions = { created: { ...CREATED, payload: OrderCreated } };

let broker: Broker;
beforeAll(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED));
});
afterAll(() => broker[Symbol.asyncDispose]());

it('each method handles the subscription of its name, and gets the payload as an instance of its class', async () => {
  const handled: string[] = [];
  @Controller()
  @JetStreamEvents(subscriptions)
  class Orders {
    created(data: OrderCreated, { event, durable }: JetStreamContext): void {
      expect(data).toBeInstanceOf(OrderCreated);
      handled.push(`${data.sku} ${event.subject} ${durable}`);
    }
  }
  await using _service = await Service.start(broker.server.url, [Orders], { subscriptions: [CREATED] });
  await broker.publish('orders.created.1', { sku: 'TEAPOT' }, {});
  await broker.publish('orders.created.2', { sku: 3 }, {});
  await eventually(async () => expect(await broker.stored()).toBe(0));
  expect(handled).toEqual([`TEAPOT 1 ${CREATED.durable}`]);
  expect(await broker.deadLetters()).toHaveLength(1);
});

it('a class without a method for a subscription is refused when it is loaded, and the method named', () => {
  class Orders {}
  expect(() => JetStreamEvents(subscriptions)(Orders as Type<{ created: () => void }>)).toThrow(
    new TypeError(
      `Orders has no method created() for the events of ${CREATED.subject} (durable ${CREATED.durable}). Add it.`,
    ),
  );
});

it('a service does not start without a handler for each of its subscriptions: it names those that are missing', async () => {
  await expect(Service.start(broker.server.url, [], { subscriptions: [CREATED, CANCELLED] })).rejects.toThrow(
    `Service 'payment' handles nothing of '${CREATED.subject}' (durable '${CREATED.durable}'), 'orders.cancelled.*' (durable 'payment_orders-cancelled'). Add a handler to a controller that its module lists.`,
  );
});
