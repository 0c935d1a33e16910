import 'reflect-metadata';
import type { DynamicModule, FactoryProvider, Type } from '@nestjs/common';
import { JetStreamPublisher } from '@pavane/jetstream';
import { type Message, OutboxModule, Participant, type ParticipantOptions } from '@pavane/outbox';
import { TextbookParticipant } from './participant.js';

type Options = ParticipantOptions<unknown, Message, { type: string }>;

/** The module of a service with a participant as in the textbook; everything else is the service's own. */
export function asInTheTextbook(module: Type): Type {
  const imports = Reflect.getMetadata('imports', module) as DynamicModule[];
  const changed = imports.map((imported) =>
    imported.module === OutboxModule ? { ...imported, providers: imported.providers!.map(textbook) } : imported,
  );
  Reflect.defineMetadata('imports', changed, module);
  return module;
}

function textbook(provider: NonNullable<DynamicModule['providers']>[number]): typeof provider {
  if (!('provide' in provider) || provider.provide !== Participant) return provider;
  const { inject = [], useFactory } = provider as FactoryProvider<Participant<unknown, Message, { type: string }>>;
  return {
    provide: Participant,
    inject: [...inject, JetStreamPublisher],
    useFactory: async (...parts: unknown[]) => {
      const publisher = parts.pop() as JetStreamPublisher;
      const made = await useFactory(...parts);
      // What the service's participant is made of is known to it alone.
      return new TextbookParticipant((made as unknown as { options: Options }).options, publisher);
    },
  };
}
