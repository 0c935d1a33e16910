import { Controller, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import type { HandlerPolicy } from '../consume/binding.js';
import { JetStreamEvent } from '../nest/jetstream-event.decorator.js';
import type { Subscription } from '../nest/subscription.js';

export { gate } from './gate.js';
import { JetStreamContext } from '../nest/jetstream.context.js';

export type Handler = (data: Record<string, unknown>, context: JetStreamContext) => unknown;

export const CREATED: Subscription = { stream: 'SAGA', subject: 'orders.created.*', durable: 'payment_orders-created' };
export const CANCELLED: Subscription = {
  stream: 'SAGA',
  subject: 'orders.cancelled.*',
  durable: 'payment_orders-cancelled',
};

/** What `Broker.provision` takes for these subscriptions. */
export function durablesOf(...subscriptions: Subscription[]): Record<string, string> {
  return Object.fromEntries(subscriptions.map(({ durable, subject }) => [durable, subject]));
}

/** A controller with one event handler. */
export function on(subscription: Subscription, handle: Handler, options: HandlerPolicy = {}): Type {
  @Controller()
  class Events {
    @JetStreamEvent(subscription, options)
    heard(@Payload() data: Record<string, unknown>, @Ctx() context: JetStreamContext): unknown {
      return handle(data, context);
    }
  }
  return Events;
}
