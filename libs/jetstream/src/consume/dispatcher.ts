import { Logger } from '@nestjs/common';
import type { AttemptLog } from './attempts.js';
import type { Binding } from './binding.js';
import type { BrokerClock } from '../connection/broker-clock.js';
import { REPLAY_TO } from '../failures/dead-letter.js';
import type { Overdue } from './overdue.js';
import { decodeBody, decodeEvent } from '../publish/envelope.js';
import { isRetryLater, isUnprocessable, type RetryLater, toError } from '../errors.js';
import { JetStreamContext } from '../nest/jetstream.context.js';
import { type Received, triesOf } from './received.js';
import { seam } from '../seam.js';
import { inConsumerSpan } from '../telemetry.js';
import { isForNewer, toPresent } from '../payload/version.js';

/** Starts of a suspect's handler that may go without an end before it is given up. */
const MAX_STRIKES = 3;

/** A message whose every start took its process down. */
export class NeverFinished extends Error {
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

/** What a message came to in its handlers. Nothing is settled yet. */
export type Ran =
  | { readonly as: 'handled' | 'skipped' }
  /** Its version is later than any this instance knows. */
  | { readonly as: 'newer'; readonly reason: string }
  | { readonly as: 'unavailable'; readonly error: RetryLater }
  /** By its own fault, whatever happens to others. */
  | { readonly as: 'refused'; readonly error: Error }
  | { readonly as: 'failed'; readonly error: Error };

/** Takes a message to its handlers. */
export class Dispatcher {
  private readonly logger = new Logger(Dispatcher.name);
  /** What was left to newer instances, so that it is told once and not for each of a thousand events. */
  private readonly left = new Set<string>();

  constructor(private readonly parts: { handle: Handle; attempts: AttemptLog; overdue: Overdue; clock: BrokerClock }) {}

  /**
   * Whether the message was delivered more often than a failing one can be by its own fault. Deliveries also rise by
   * outages, restarts, and a neighbour that kills the process, so a suspect is not given up but handled with care.
   */
  isSuspect({ deliveries, binding }: Received): boolean {
    return deliveries > binding.maxAttempts;
  }

  /** Never rejects. */
  async run(received: Received): Promise<Ran> {
    try {
      return await this.toHandlers(received);
    } catch (thrown) {
      const error = toError(thrown);
      if (isRetryLater(error)) return { as: 'unavailable', error };
      return { as: error instanceof NeverFinished || isUnprocessable(error) ? 'refused' : 'failed', error };
    }
  }

  private async toHandlers(received: Received): Promise<Ran> {
    const { binding, headers } = received;
    const target = headers[REPLAY_TO];
    if (target && target !== binding.durable) return { as: 'skipped' };
    const type = headers['ce-type'] ?? '';
    const ageMs = this.parts.clock.now() - received.storedAt;
    if (isForNewer(type, binding, ageMs)) return { as: 'newer', reason: this.leave(binding, type) };
    seam('received', binding.durable);
    await (this.isSuspect(received) ? this.handleSuspect(received) : this.handle(received));
    seam('handled', binding.durable);
    return { as: 'handled' };
  }

  private async handle(received: Received): Promise<void> {
    const { message, binding, subject, headers } = received;
    const event = decodeEvent(subject, headers, binding);
    const data = toPresent(decodeBody(message), event.type, binding);
    const { durable, subject: filter, deadlineMs } = binding;
    const deliveryCount = triesOf(received);
    const about = { subject, filter, durable, deliveryCount, event };
    await inConsumerSpan(about, () =>
      this.parts.overdue.within({ durable, key: event.subject, deadlineMs }, (signal) =>
        this.parts.handle(binding, data, new JetStreamContext(message, event, durable, deliveryCount, signal)),
      ),
    );
  }

  private async handleSuspect(received: Received): Promise<void> {
    const { attempts, clock } = this.parts;
    const { id, deliveries } = received;
    const unfinished = await attempts.unfinished(id);
    // This delivery has not been started.
    if (unfinished >= MAX_STRIKES) throw new NeverFinished(unfinished, deliveries - 1);
    await attempts.begin(id, clock.now());
    try {
      await this.handle(received);
    } finally {
      // A strike left behind by an outage of the bucket costs one of three; it must not change the outcome.
      await attempts.end(id, clock.now()).catch(() => undefined);
    }
  }

  /** Only this message: were the durable to rest, one event of a version nobody knows would hold up all others. */
  private leave({ durable, type: known }: Binding, type: string): string {
    const reason = `'${type}' is newer than '${known}', the version this instance knows`;
    if (!this.left.has(reason + durable)) {
      this.left.add(reason + durable);
      this.logger.warn({ message: 'events are left to newer instances', durable, reason });
    }
    return reason;
  }
}
