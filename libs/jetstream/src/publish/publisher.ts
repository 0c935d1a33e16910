import { type ApiError, JetStreamApiError } from '@nats-io/jetstream';
import { errors, type Msg } from '@nats-io/transport-node';
import type { JetStreamConnection } from '../connection/connection.js';
import { toMsgHdrs } from './envelope.js';
import { PublishRejected, RetryLater, toError } from '../errors.js';
import { Semaphore } from '../consume/semaphore.js';
import { inProducerSpan } from '../telemetry.js';

export interface OutboundMessage {
  subject: string;
  /** The `Nats-Msg-Id`: within the stream's duplicate window a second message of this id is not stored again. */
  id: string;
  headers: Record<string, string>;
  data: string | Uint8Array;
}

/** Beyond this the broker is the bottleneck and more in flight only makes each one slower (see the README). */
const MAX_OUTSTANDING = 256;

/** How long a PubAck may take. */
const TIMEOUT_MS = 5_000;

/** What the broker says of a message: where it is stored, or why it is not. */
interface PubAck {
  seq: number;
  duplicate?: boolean;
  error?: ApiError;
}

/** A message that was sent and not answered yet. */
interface Sent {
  subject: string;
  /** `performance.now()` after which an answer is not waited for any longer. */
  until: number;
  forget(): void;
  reject(error: Error): void;
}

/**
 * Publishes without the client's own request for each message: its timer, race and stack would cost more than the
 * message. One subscription takes all answers, one timer looks for those that did not come.
 */
export class JetStreamPublisher {
  private readonly slots: Semaphore;
  /** In the order they were sent, so that the oldest comes first. */
  private readonly sent = new Set<Sent>();
  private watch: NodeJS.Timeout | undefined;

  constructor(
    private readonly connection: JetStreamConnection,
    outstanding = MAX_OUTSTANDING,
  ) {
    this.slots = new Semaphore(outstanding);
    connection.on('disconnect', () => this.lose('the broker was lost before it answered'));
    connection.on('forbidden', (subject) => this.forbid(subject));
  }

  /** How many messages were sent and are not answered yet. */
  get outstanding(): number {
    return this.sent.size;
  }

  /**
   * Resolves once the broker has stored the message (its PubAck). Rejects with `RetryLater` when that may work
   * later: it is then not known whether the message was stored, and the same id makes the repetition harmless.
   * Rejects with `PublishRejected` when it will never work, because the message itself is wrong.
   */
  publish(message: OutboundMessage): Promise<{ seq: number; duplicate: boolean }> {
    return this.slots.run(() => inProducerSpan(message, (headers) => this.send({ ...message, headers })));
  }

  /**
   * Whether a stream still has messages on a subject, which may have wildcards. Of a stream with interest retention that says
   * that somebody has not acknowledged one. Rejects with `RetryLater` while nobody can tell.
   */
  async holds(stream: string, subject: string): Promise<boolean> {
    try {
      if (!this.connection.isConnected) throw new Error(this.connection.trouble);
      const { state } = await this.connection.jsm.streams.info(stream, { subjects_filter: subject });
      return Object.values(state.subjects ?? {}).some((messages) => messages > 0);
    } catch (error) {
      throw new RetryLater(`whether '${stream}' holds '${subject}' cannot be told: ${toError(error).message}`, {
        cause: error,
      });
    }
  }

  private send({ subject, id, headers, data }: OutboundMessage): Promise<{ seq: number; duplicate: boolean }> {
    return new Promise((resolve, reject) => {
      if (!this.connection.isConnected) {
        throw new RetryLater(`'${subject}' was not published: the broker is away. It is being reconnected to.`);
      }
      const { nc, replies } = this.connection;
      const { address, forget } = replies.expect((error, answer) => {
        this.settled(sent);
        try {
          if (error) throw lost(subject, error);
          resolve(storedAt(subject, answer));
        } catch (refusal) {
          reject(isOurs(refusal) ? refusal : lost(subject, toError(refusal)));
        }
      });
      const sent: Sent = { subject, until: performance.now() + TIMEOUT_MS, forget, reject };
      this.sent.add(sent);
      this.watch ??= setInterval(() => this.expire(), TIMEOUT_MS / 10).unref();
      try {
        nc.publish(subject, data, { reply: address, headers: toMsgHdrs({ ...headers, 'Nats-Msg-Id': id }) });
      } catch (thrown) {
        this.settled(sent);
        throw refused(subject, toError(thrown));
      }
    });
  }

  private settled(sent: Sent): void {
    sent.forget();
    this.sent.delete(sent);
  }

  private fail(sent: Sent, error: Error): void {
    this.settled(sent);
    sent.reject(error);
  }

  private expire(): void {
    for (const sent of this.sent) {
      if (sent.until > performance.now()) return;
      this.fail(sent, lost(sent.subject, new Error(`not answered within ${TIMEOUT_MS} ms`)));
    }
    clearInterval(this.watch);
    this.watch = undefined;
  }

  private lose(why: string): void {
    for (const sent of [...this.sent]) this.fail(sent, lost(sent.subject, new Error(why)));
  }

  /** The broker says so of a subject, not of a message: it is one of those that were sent there. */
  private forbid(subject: string): void {
    const why = "the broker's permissions forbid it. Grant the subject to this service";
    for (const sent of [...this.sent])
      if (sent.subject === subject) this.fail(sent, new RetryLater(`'${subject}' was not published: ${why}.`));
  }
}

function storedAt(subject: string, answer: Msg): { seq: number; duplicate: boolean } {
  if (answer.data.length === 0 && answer.headers?.code === NO_RESPONDERS) {
    throw new RetryLater(
      `'${subject}' was not published: no stream listens on this subject, or JetStream is starting. If it lasts, run 'npm run topology -- apply'.`,
    );
  }
  const { seq, duplicate = false, error } = answer.json<Partial<PubAck>>();
  if (error) throw refused(subject, new JetStreamApiError(error));
  if (typeof seq !== 'number') throw new TypeError('the answer is no PubAck');
  return { seq, duplicate };
}

const isOurs = (error: unknown): boolean => error instanceof RetryLater || error instanceof PublishRejected;

function lost(subject: string, cause: Error): RetryLater {
  return new RetryLater(
    `'${subject}' was not published: ${cause.message}. It may have been stored; repeat it under the same id.`,
    { cause },
  );
}

function refused(subject: string, cause: Error): RetryLater | PublishRejected {
  const what = `'${subject}' was not published`;
  if (cause instanceof errors.InvalidArgumentError || cause instanceof errors.InvalidSubjectError) {
    return new PublishRejected(`${what}: ${cause.message}. The message itself has to change.`, { cause });
  }
  if (!(cause instanceof JetStreamApiError)) return lost(subject, cause);
  const detail = `${cause.message} (${cause.code})`;
  if (cause.code === STREAM_FULL) {
    return new RetryLater(`${what}: the stream is full. It drains as its consumers catch up.`, { cause });
  }
  if (OF_THE_MESSAGE.has(cause.code)) {
    return new PublishRejected(`${what}: the stream refuses it: ${detail}. The message itself has to change.`, {
      cause,
    });
  }
  const isRefusal = cause.status < 500 && !PASSING.has(cause.code);
  return new RetryLater(`${what}: the stream cannot store it now: ${detail}.`, { cause, refused: isRefusal });
}

/** The status of an answer that the broker gives itself, because nobody listens. */
const NO_RESPONDERS = 503;

/** JSStreamStoreFailedF with `discard: new`. */
const STREAM_FULL = 10077;

/** Refusals that are about the message whatever the stream: its size, its headers, what it expects to be the case. */
const OF_THE_MESSAGE = new Set([
  10054, // It is too large.
  10060, // It expects another stream.
  10070, // It expects another message id before it.
  10071, // It expects another place in the stream, or of its subject.
  10097, // Its headers are too large.
  10164, // As 10071, where the place is not told.
  10165, // Its time to live cannot be read.
  10189, // Its schedule cannot be read.
]);

/** Refusals below 500 that say nothing about the message: they pass. */
const PASSING = new Set([
  10002, // The account has used up its storage.
  10158, // In a cluster: an earlier try of this id is not stored yet, and may never be.
  10167, // Too much waits to be stored.
]);
