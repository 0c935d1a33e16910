import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import type { JetStreamConnection } from './connection.js';
import { toMsgHdrs } from './envelope.js';
import { PublishRejected, RetryLater, toError } from './errors.js';
import { Semaphore } from './semaphore.js';
import { inProducerSpan } from './telemetry.js';

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

export class JetStreamPublisher {
  private readonly slots: Semaphore;

  constructor(
    private readonly connection: JetStreamConnection,
    outstanding = MAX_OUTSTANDING,
  ) {
    this.slots = new Semaphore(outstanding);
  }

  /**
   * Resolves once the broker has stored the message (its PubAck). Rejects with `RetryLater` when that may work
   * later: it is then not known whether the message was stored, and the same id makes the repetition harmless.
   * Rejects with `PublishRejected` when it will never work.
   */
  publish(message: OutboundMessage): Promise<{ seq: number; duplicate: boolean }> {
    return this.slots.run(() => inProducerSpan(message, (headers) => this.send({ ...message, headers })));
  }

  private async send(message: OutboundMessage): Promise<{ seq: number; duplicate: boolean }> {
    if (!this.connection.isConnected) {
      throw new RetryLater(`'${message.subject}' was not published: the broker is away. It is being reconnected to.`);
    }
    try {
      const options = { msgID: message.id, headers: toMsgHdrs(message.headers), timeout: TIMEOUT_MS };
      const stored = this.connection.js.publish(message.subject, message.data, options);
      const { seq, duplicate } = await this.connection.untilLost(stored);
      return { seq, duplicate };
    } catch (thrown) {
      throw explain(message.subject, toError(thrown));
    }
  }
}

function explain(subject: string, cause: Error): RetryLater | PublishRejected {
  const what = `'${subject}' was not published`;
  if (cause instanceof errors.InvalidArgumentError || cause instanceof errors.InvalidSubjectError) {
    return new PublishRejected(`${what}: ${cause.message}. The message itself has to change.`, { cause });
  }
  if (cause instanceof JetStreamApiError) {
    const detail = `${cause.message} (${cause.code})`;
    if (cause.code === STREAM_FULL) {
      return new RetryLater(`${what}: the stream is full. It drains as its consumers catch up.`, { cause });
    }
    if (cause.status >= 500 || PASSING.has(cause.code))
      return new RetryLater(`${what}: the stream cannot store now: ${detail}.`, { cause });
    return new PublishRejected(`${what}: the stream refuses it: ${detail}. The message itself has to change.`, {
      cause,
    });
  }
  if (cause.name === 'JetStreamNotEnabled') {
    return new RetryLater(
      `${what}: no stream listens on this subject, or JetStream is starting. If it lasts, run 'npm run topology -- apply'.`,
      { cause },
    );
  }
  if (isPermissionViolation(cause)) {
    return new RetryLater(`${what}: the broker's permissions forbid it. Grant the subject to this service.`, { cause });
  }
  return new RetryLater(`${what}: ${cause.message}. It may have been stored; repeat it under the same id.`, { cause });
}

/** JSStreamStoreFailedF with `discard: new`. */
const STREAM_FULL = 10077;

/** Refusals below 500 that say nothing about the message: they pass. */
const PASSING = new Set([
  10002, // The account has used up its storage.
  10158, // In a cluster: an earlier try of this id is not stored yet, and may never be.
  10167, // Too much waits to be stored.
]);

function isPermissionViolation(error: Error): boolean {
  return error instanceof errors.PermissionViolationError || error.cause instanceof errors.PermissionViolationError;
}
