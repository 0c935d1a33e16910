import type { Subscription } from './subscription.js';
import type { NodeConnectionOptions } from '@nats-io/transport-node';
import type { Range } from '../failures/backoff.js';

/** How one service uses the broker. */
export interface JetStreamOptions {
  /** Name of the service: connection name, queue group of its request handlers, prefix of its default durables. */
  service: string;
  /** Passed to `connect()`, over defaults made for a service that must outlive its broker. */
  connection: NodeConnectionOptions;
  /** What this service must handle: a start without a handler for each of them fails, and names those. Default none. */
  subscriptions?: readonly Pick<Subscription, 'stream' | 'subject' | 'durable'>[];
  /** Messages of one durable handled at a time in this process. Default 16; a handler may set its own. */
  concurrency?: number;
  /**
   * Failed attempts that count against a message before it becomes a dead letter. Default 5. One counts when the messages
   * handled just before and just after it succeeded; `RetryLater` never does. A handler may set its own.
   */
  maxAttempts?: number;
  /** After this long a handler is given up, in milliseconds. Default five minutes. A handler may set its own. */
  deadlineMs?: number;
  /** How long `close()` waits for what runs, in milliseconds, before it gives it up. Default 15 s. */
  closeWithinMs?: number;
  /** A failing message that nothing else waits beside is given up after this long, in milliseconds. Default an hour. */
  giveUpAloneMs?: number;
  /** A failing message is given up this long after it was stored, in milliseconds. Default 22 h; less than the stream's `max_age`. */
  giveUpMs?: number;
  /** Stream in which single messages wait for their next attempt; `false`: they wait in their own stream. Default `PARKED`. */
  waitingRoom?: string | false;
  /** Requests handled at a time; ten times as many may wait, and more are refused. Default 64. */
  requestConcurrency?: number;
  /** Where dead letters go. Default stream `DLQ`, subjects `dlq.<durable>.<original subject>`. */
  deadLetter?: { stream: string; subjectPrefix: string };
  /** KV bucket in which attempts are counted, for all instances together. Default `attempts`. */
  attemptsBucket?: string;
  /** Overrides the consumer's own `ack_wait`, in milliseconds, as the measure for keep-alives. */
  ackWaitMs?: number;
  /** Pauses between attempts at a failing message, and between probes while a durable rests. */
  backoff?: { failed?: Range; away?: Range };
  /** Tells an error that means that a dependency is away: it counts as `RetryLater`. Default: none does. */
  isAway?: (error: unknown) => boolean;
  /** Tells an error that the message itself is to blame for: it counts as `Unprocessable`. Default: none does. */
  isImpossible?: (error: unknown) => boolean;
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

const HOUR_MS = 3_600_000;

export function withDefaults(options: JetStreamOptions): Settings {
  return {
    service: options.service,
    connection: options.connection,
    subscriptions: options.subscriptions ?? [],
    concurrency: options.concurrency ?? 16,
    maxAttempts: options.maxAttempts ?? 5,
    deadlineMs: options.deadlineMs ?? 5 * 60_000,
    closeWithinMs: options.closeWithinMs ?? 15_000,
    giveUpAloneMs: options.giveUpAloneMs ?? HOUR_MS,
    giveUpMs: options.giveUpMs ?? 22 * HOUR_MS,
    waitingRoom: options.waitingRoom ?? 'PARKED',
    requestConcurrency: options.requestConcurrency ?? 64,
    deadLetter: options.deadLetter ?? { stream: 'DLQ', subjectPrefix: 'dlq' },
    attemptsBucket: options.attemptsBucket ?? 'attempts',
    ackWaitMs: options.ackWaitMs,
    isAway: options.isAway ?? (() => false),
    isImpossible: options.isImpossible ?? (() => false),
    backoff: {
      failed: options.backoff?.failed ?? { firstMs: 500, maxMs: 60_000 },
      // A probe is one message a durable: often enough that what is back is soon found to be.
      away: options.backoff?.away ?? { firstMs: 1_000, maxMs: 10_000 },
    },
  };
}
