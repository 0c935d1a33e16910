import type { Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { JetStreamContext } from './jetstream.context.js';
import { JetStreamEvent } from './jetstream-event.decorator.js';
import type { Subscription } from './subscription.js';

/** A durable, and the class that the payload of its events is made an instance of and checked by. */
export interface TypedSubscription<P extends object = object> extends Subscription {
  payload: Type<P>;
}

/** The methods of a controller that handles each of these subscriptions under its name. */
export type EventHandlers<S extends Readonly<Record<string, TypedSubscription>>> = {
  // A property and not a method, so that the compiler compares payloads strictly.
  readonly [K in keyof S]: (data: InstanceType<S[K]['payload']>, context: JetStreamContext) => unknown;
};

/**
 * Makes each method of a controller the handler of the subscription that has its name; it gets the payload and the
 * `JetStreamContext`. A missing method, or one that takes another payload, does not compile. Where the compiler does not
 * look, a missing method is a TypeError that names it when the class is loaded.
 */
export function JetStreamEvents<const S extends Readonly<Record<string, TypedSubscription>>>(subscriptions: S) {
  // oxlint-disable-next-line typescript/no-explicit-any -- what Nest injects is the class's own affair
  return (controller: new (...injected: any[]) => EventHandlers<S>): void => {
    const { prototype } = controller;
    for (const [name, { payload, ...subscription }] of Object.entries(subscriptions)) {
      const method = Object.getOwnPropertyDescriptor(prototype, name);
      if (typeof method?.value !== 'function')
        throw new TypeError(
          `${controller.name} has no method ${name}() for the events of ${subscription.subject} (durable ${subscription.durable}). Add it.`,
        );
      Reflect.defineMetadata('design:paramtypes', [payload, JetStreamContext], prototype, name);
      Payload()(prototype, name, 0);
      Ctx()(prototype, name, 1);
      JetStreamEvent(subscription)(prototype, name, method);
    }
  };
}
