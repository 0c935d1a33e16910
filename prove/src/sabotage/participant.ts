import type { Type } from '@nestjs/common';
import { type Message, Participant, type ParticipantOptions } from '@pavane/outbox';
import { tampering } from './replace.js';

type Fact = { type: string };
export type AnyParticipant = Participant<unknown, Message, Fact>;
type Options = {
  -readonly [K in keyof ParticipantOptions<unknown, Message, Fact>]: ParticipantOptions<unknown, Message, Fact>[K];
};

/** The module of a service whose participant was tampered with: its `handle`, or what it was made of. */
export const tamperingWithParticipant = (
  module: Type,
  tamper: (participant: AnyParticipant, options: Options) => void,
): Type =>
  tampering(module, Participant, (participant) =>
    // A saboteur reaches into what is private.
    tamper(participant, (participant as unknown as { options: Options }).options),
  );
