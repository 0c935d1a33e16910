import type { JsMsg } from '@nats-io/jetstream';
import { Logger } from '@nestjs/common';
import type { Strikes, Throws } from './attempts.js';
import { backoff } from './backoff.js';
import type { Binding } from './binding.js';
import { codeOf, type DeadLetters, REPLAY_TO } from './dead-letter.js';
import { decodeBody, decodeEvent, fromMsgHdrs } from './envelope.js';
import { isRetryLater, isUnprocessable, type RetryLater, toError } from './errors.js';
import { JetStreamContext } from './jetstream.context.js';
import type { Settings } from './options.js';
import { seam } from './seam.js';
import { inConsumerSpan, inContextOf, type Metrics, type Outcome } from './telemetry.js';
import { isForNewer, toPresent } from './version.js';

/** Starts of a suspect's handler that may go without an end before it is given up. */
const MAX_STRIKES = 3;

/** A message whose every start took its process down. */
class NeverFinished extends Error {
  readonly code = 'NEVER_FINISHED';

  constructor(
    unfinished: number,
    readonly starts: number,
  ) {
    super(
      `The handler was started ${unfinished} times on this message as the only suspect and never finished: it probably kills its process. Correct the handler, then replay the dead letter.`,
    );
    this.name = 'NeverFinished';
  }
}

export type Handle = (binding: Binding, data: unknown, context: JetStreamContext) => Promise<void>;

/** How a dispatch ended. `away` leaves the message unsettled: the caller decides the pause. */
export type Dispatched = { outcome: Exclude<Outcome, 'away'> } | { outcome: 'away'; reason: RetryLater };

/** Takes one message through its handlers to an outcome (the table in the README). */
export class Dispatcher {
  private readonly logger = new Logger(Dispatcher.name);
  /** What was left to newer instances, so that it is told once and not for each of a thousand events. */
  private readonly left = new Set<string>();

  constructor(
    private readonly settings: Settings,
    private readonly parts: {
      handle: Handle;
      throws: Throws;
      strikes: Strikes;
      deadLetters: DeadLetters;
      metrics: Metrics;
      random: () => number;
    },
  ) {}

  /**
   * Whether the message was delivered more often than a failing one can be by its own fault. Deliveries also rise by
   * outages, restarts, and a neighbour that kills the process, so a suspect is not given up but handled with care.
   */
  isSuspect(message: JsMsg): boolean {
    return message.info.deliveryCount > this.settings.maxAttempts;
  }

  dispatch(binding: Binding, message: JsMsg): Promise<Dispatched> {
    const headers = fromMsgHdrs(message.headers);
    return inContextOf(headers, () => this.toOutcome(binding, message, headers));
  }

  private async toOutcome(binding: Binding, message: JsMsg, headers: Record<string, string>): Promise<Dispatched> {
    const target = headers[REPLAY_TO];
    if (target && target !== binding.durable) {
      message.ack();
      return { outcome: 'skipped' };
    }
    if (isForNewer(headers['ce-type'] ?? '', binding, message)) {
      this.leave(binding, message, headers['ce-type']!);
      return { outcome: 'left' };
    }
    const id = `${binding.durable}.${message.seq}`;
    try {
      seam('received', binding.durable);
      await (this.isSuspect(message)
        ? this.runSuspect(id, binding, message, headers)
        : this.run(binding, message, headers));
      seam('handled', binding.durable);
      message.ack();
      this.parts.throws.forget(id);
      return { outcome: 'acked' };
    } catch (thrown) {
      return isRetryLater(thrown)
        ? { outcome: 'away', reason: thrown }
        : { outcome: await this.fail(id, binding, message, toError(thrown)) };
    }
  }

  private async run(binding: Binding, message: JsMsg, headers: Record<string, string>): Promise<void> {
    const event = decodeEvent(message.subject, headers, binding);
    const data = toPresent(decodeBody(message), event.type, binding);
    const { durable, subject: filter } = binding;
    const about = { subject: message.subject, filter, durable, deliveryCount: message.info.deliveryCount, event };
    const context = new JetStreamContext(message, event, durable);
    await inConsumerSpan(about, () => this.parts.handle(binding, data, context));
  }

  /** Only this message: were the durable to rest, one event of a version nobody knows would hold up all others. */
  private leave({ durable, type: known }: Binding, message: JsMsg, type: string): void {
    message.nak(backoff(this.settings.backoff.away, message.info.deliveryCount, this.parts.random));
    const about = `${durable} ${type}`;
    if (this.left.has(about)) return;
    this.left.add(about);
    const reason = `'${type}' is newer than '${known}', the version this instance knows`;
    this.logger.warn({ message: 'events are left to newer instances', durable, reason });
  }

  private async runSuspect(
    id: string,
    binding: Binding,
    message: JsMsg,
    headers: Record<string, string>,
  ): Promise<void> {
    const { strikes } = this.parts;
    const unfinished = await strikes.count(id);
    if (unfinished >= MAX_STRIKES) {
      // This delivery has not been started.
      throw new NeverFinished(unfinished, message.info.deliveryCount - 1);
    }
    await strikes.note(id, unfinished + 1);
    try {
      await this.run(binding, message, headers);
    } finally {
      // A strike left behind by an outage of the bucket costs one of three; it must not change the outcome.
      await strikes.takeBack(id, unfinished + 1).catch(() => undefined);
    }
  }

  private async fail(id: string, binding: Binding, message: JsMsg, error: Error): Promise<'failed' | 'dead-lettered'> {
    const { throws, deadLetters, metrics, random } = this.parts;
    const hopeless = error instanceof NeverFinished || isUnprocessable(error);
    const attempts = error instanceof NeverFinished ? error.starts : throws.add(id);
    const about = {
      durable: binding.durable,
      subject: message.subject,
      sequence: message.seq,
      attempts,
      error: error.message,
    };
    if (hopeless || attempts >= this.settings.maxAttempts) {
      try {
        await deadLetters.bury(message, { error, attempts });
        throws.forget(id);
        metrics.deadLettered(binding.durable, codeOf(error));
        this.logger.error({ message: 'message given up as a dead letter', ...about });
        return 'dead-lettered';
      } catch (cause) {
        this.logger.error({ message: 'dead letter not stored, message kept', ...about, cause: toError(cause).message });
      }
    } else {
      this.logger.warn({ message: 'handler failed, message kept for another attempt', ...about });
    }
    message.nak(backoff(this.settings.backoff.failed, attempts, random));
    return 'failed';
  }
}
