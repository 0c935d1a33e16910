import type { NodeConnectionOptions } from '@nats-io/transport-node';
import type { Range } from './backoff.js';

/** How one service uses the broker. */
export interface JetStreamOptions {
  /** Name of the service: connection name, queue group of its request handlers, prefix of its default durables. */
  service: string;
  /** Passed to `connect()`, over defaults made for a service that must outlive its broker. */
  connection: NodeConnectionOptions;
  /** Messages of one durable handled at a time in this process. Default 16; a handler may set its own. */
  concurrency?: number;
  /** Failed attempts after which a message becomes a dead letter. Default 5. `RetryLater` is not a failed attempt. */
  maxAttempts?: number;
  /** Where dead letters go. Default stream `DLQ`, subjects `dlq.<durable>.<original subject>`. */
  deadLetter?: { stream: string; subjectPrefix: string };
  /** KV bucket remembering which suspect was being handled when its process died. Default `attempts`. */
  attemptsBucket?: string;
  /** Overrides the consumer's own `ack_wait`, in milliseconds, as the measure for keep-alives. */
  ackWaitMs?: number;
  /** Pauses between attempts at a failing message, and between probes of a dependency that is away. */
  backoff?: { failed?: Range; away?: Range };
  /** Tells an error that means that a dependency is away: it counts as `RetryLater`. Default: none does. */
  isAway?: (error: unknown) => boolean;
  /** Called when the connection is gone for good although nobody closed it. Default: log and exit the process. */
  onFatal?: (error: Error) => void;
}

export type Settings = Required<Omit<JetStreamOptions, 'ackWaitMs' | 'onFatal' | 'backoff'>> & {
  ackWaitMs: number | undefined;
  backoff: { failed: Range; away: Range };
};

export const JETSTREAM_OPTIONS = Symbol('JETSTREAM_OPTIONS');

/** Stream a handler's durable is looked for in when its decorator does not name one. */
export const DEFAULT_STREAM = 'SAGA';

export function withDefaults(options: JetStreamOptions): Settings {
  return {
    service: options.service,
    connection: options.connection,
    concurrency: options.concurrency ?? 16,
    maxAttempts: options.maxAttempts ?? 5,
    deadLetter: options.deadLetter ?? { stream: 'DLQ', subjectPrefix: 'dlq' },
    attemptsBucket: options.attemptsBucket ?? 'attempts',
    ackWaitMs: options.ackWaitMs,
    isAway: options.isAway ?? (() => false),
    backoff: {
      failed: options.backoff?.failed ?? { firstMs: 500, maxMs: 60_000 },
      // A probe is one message a durable: often enough that what is back is soon found to be.
      away: options.backoff?.away ?? { firstMs: 1_000, maxMs: 10_000 },
    },
  };
}
