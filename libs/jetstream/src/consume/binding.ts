import type { ConsumerInfo } from '@nats-io/jetstream';
import type { MessageHandler } from '@nestjs/microservices';
import type { Range } from '../failures/backoff.js';
import type { Subscription } from '../nest/subscription.js';
import { DEFAULT_STREAM, type Settings } from '../nest/options.js';
import { defaultDurable } from '../subject.js';

/** What a handler may decide for itself, over the options of its server. */
export interface HandlerPolicy {
  /** Messages handled at a time in this process. */
  concurrency?: number;
  /** Attempts that count against a message before it becomes a dead letter. */
  attempts?: number;
  /** Pauses between attempts at one failing message. */
  backoff?: Range;
  /** After this long a handler is given up, in milliseconds; its `AbortSignal` says so. */
  deadlineMs?: number;
}

/** A durable of this service and the handlers it feeds. */
export interface Binding extends Subscription {
  concurrency: number;
  maxAttempts: number;
  backoff: { failed: Range; away: Range };
  deadlineMs: number;
  handlers: MessageHandler[];
}

export const PROVISION = "Run 'npm run topology -- apply'.";

/** What a handler's decorator says, completed by the defaults. */
export function bindingOf(subject: string, extras: Partial<Subscription> & HandlerPolicy, settings: Settings): Binding {
  return {
    stream: extras.stream ?? DEFAULT_STREAM,
    subject,
    durable: extras.durable ?? defaultDurable(settings.service, subject),
    ...(extras.type ? { type: extras.type } : {}),
    ...(extras.earlier ? { earlier: extras.earlier } : {}),
    ...(extras.source ? { source: extras.source } : {}),
    concurrency: extras.concurrency ?? settings.concurrency,
    maxAttempts: extras.attempts ?? settings.maxAttempts,
    backoff: { failed: extras.backoff ?? settings.backoff.failed, away: settings.backoff.away },
    deadlineMs: extras.deadlineMs ?? settings.deadlineMs,
    handlers: [],
  };
}

/** What keeps a consumer from serving this binding, or undefined. */
export function mismatch(
  binding: Pick<Binding, 'stream' | 'durable' | 'subject'>,
  { config }: ConsumerInfo,
): string | undefined {
  const filters = config.filter_subjects ?? [config.filter_subject ?? '>'];
  const name = `Consumer '${binding.durable}' of stream '${binding.stream}'`;
  if (filters.length !== 1 || filters[0] !== binding.subject) {
    return `${name} filters ${filters.map((f) => `'${f}'`).join(', ')} but its handler is for '${binding.subject}'. ${PROVISION}`;
  }
  if (config.deliver_subject) return `${name} pushes but must be a pull consumer. ${PROVISION}`;
  if (config.ack_policy !== 'explicit')
    return `${name} has ack policy '${config.ack_policy}', not 'explicit'. ${PROVISION}`;
  if ((config.max_deliver ?? -1) > 0) {
    return `${name} stops delivering after ${config.max_deliver} times, which strands messages; max_deliver must be -1. ${PROVISION}`;
  }
  return undefined;
}

/** Why binding failed, for a human. */
export function bindProblem(binding: Pick<Binding, 'stream' | 'durable'>, error: Error): string {
  const { stream, durable } = binding;
  if (error.name === 'StreamNotFoundError')
    return `Stream '${stream}' of consumer '${durable}' does not exist. ${PROVISION}`;
  if (error.name === 'ConsumerNotFoundError')
    return `Consumer '${durable}' does not exist in stream '${stream}'. ${PROVISION}`;
  return `Consumer '${durable}' of stream '${stream}' could not be looked up: ${error.message}. It is tried again; check the broker.`;
}
