import { Controller, Inject, type Type } from '@nestjs/common';
import { type EventHandlers, type JetStreamContext, JetStreamEvents, type TypedSubscription } from '@pavane/jetstream';
import type { Delivery } from './inbox.js';

/** A subscription, and the type under which the rules know its events. */
type NamedSubscription = TypedSubscription & { readonly event: string };

/** What the events of subscriptions become for the rules. */
type MessageOf<S extends Readonly<Record<string, NamedSubscription>>> = {
  [K in keyof S]: { type: S[K]['event']; orderId: string; data: InstanceType<S[K]['payload']> };
}[keyof S];

/** A participant that decides on them. */
interface Decider<S extends Readonly<Record<string, NamedSubscription>>> {
  // A property and not a method, so that the compiler compares messages strictly.
  readonly handle: (message: MessageOf<S>, delivery?: Delivery) => Promise<unknown>;
}

/**
 * A controller that hands every event of these subscriptions to the participant, as it is: for a service that asks nobody
 * before it decides. One that does has a controller of its own, with `@JetStreamEvents`.
 */
export function participantController<const S extends Readonly<Record<string, NamedSubscription>>>(
  subscriptions: S,
  // oxlint-disable-next-line typescript/no-explicit-any -- what Nest injects is the class's own affair
  participant: new (...injected: any[]) => Decider<S>,
): Type<EventHandlers<S>> {
  class ParticipantController {
    constructor(readonly decider: Decider<S>) {}
  }
  for (const [name, { event: type }] of Object.entries(subscriptions))
    Object.defineProperty(ParticipantController.prototype, name, {
      configurable: true,
      writable: true,
      async value(this: ParticipantController, data: object, { event, durable }: JetStreamContext): Promise<void> {
        const message = { type, orderId: event.subject, data } as unknown as MessageOf<S>;
        await this.decider.handle(message, { id: event.id, durable });
      },
    });
  Inject(participant)(ParticipantController, undefined, 0);
  Controller()(ParticipantController);
  const controller = ParticipantController as unknown as Type<EventHandlers<S>>;
  JetStreamEvents(subscriptions)(controller);
  return controller;
}
