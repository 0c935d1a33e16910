import { Logger } from '@nestjs/common';
import type { AttemptLog } from './attempts.js';
import type { Attempts, Blame, Wait } from '../failures/blame.js';
import { codeOf, type DeadLetters } from '../failures/dead-letter.js';
import { NeverFinished, type Ran } from './dispatcher.js';
import { type RetryLater, toError } from '../errors.js';
import { type Received, triesOf } from './received.js';
import type { Metrics, Outcome } from '../telemetry.js';
import type { WaitingRoom } from '../failures/waiting-room.js';

export interface SettlementParts {
  blame: Blame;
  attempts: AttemptLog;
  deadLetters: DeadLetters;
  metrics: Metrics;
  room: WaitingRoom | undefined;
  /** The durable rests from now on. */
  rest(pauseMs: number, reason: string): void;
  /** Something has succeeded, so it goes on. */
  resume(): void;
  /** Whether nothing waits for the durable but the message at hand. */
  isAlone(): Promise<boolean>;
  now(): number;
}

/** Why a message is given up although nothing shows that it is to blame. */
const GIVEN_UP: Record<'alone' | 'too-old', string> = {
  alone: 'nothing else came that could have shown whose fault it is',
  'too-old': 'its stream would drop it soon',
};

/** Settles what was handled: acknowledged, given up as a dead letter, or kept for another attempt. */
export class Settlement {
  private readonly logger = new Logger(Settlement.name);

  constructor(private readonly parts: SettlementParts) {}

  /** Never rejects. What follows for others, from evidence to rest, has followed when it returns its promise. */
  async settle(received: Received, ran: Ran): Promise<Outcome> {
    const { blame } = this.parts;
    switch (ran.as) {
      case 'skipped':
        this.acknowledge(received);
        return 'skipped';
      case 'handled':
        this.acknowledge(received);
        this.goOn(received);
        return 'acked';
      case 'newer':
        // A deploy is over in seconds or goes on for long, and there may be thousands of them.
        await this.wait(received, blame.wait('failed', triesOf(received)), ran.reason);
        return 'left';
      case 'refused':
        return this.bury(received, ran.error, await this.startsOf(received));
      case 'unavailable':
        await this.keep(received, ran.error);
        return 'away';
      default:
        return this.fail(received, ran.error);
    }
  }

  /** Puts a message behind those of its key that wait for the durable. */
  async stepBack(received: Received): Promise<Outcome> {
    const waitMs = this.parts.room?.behindMs ?? 0;
    await this.wait(received, { waitMs, stays: false }, 'an earlier message of the same key waits');
    return 'behind';
  }

  private keep(received: Received, { message, delayMs }: RetryLater): Promise<void> {
    const { blame } = this.parts;
    const { pauseMs } = blame.unavailable(received.id, this.parts.now());
    if (pauseMs !== undefined) this.parts.rest(pauseMs, message);
    return this.wait(received, blame.wait('away', triesOf(received), delayMs), message);
  }

  private async fail(received: Received, error: Error): Promise<Outcome> {
    const { blame, attempts, now } = this.parts;
    const failure = blame.failed(received.id, now());
    if (failure.pauseMs !== undefined) this.parts.rest(failure.pauseMs, error.message);
    const counted = await attempts.failed(received.id, now()).catch((cause: unknown) => {
      // Without a count nobody is given up.
      this.logger.error({
        message: 'a failed attempt could not be counted',
        ...about(received),
        cause: cause as Error,
      });
      return undefined;
    });
    const known: Attempts = counted ?? { starts: triesOf(received), counted: 0, firstAt: now() };
    const isAlone = blame.mayGiveUpAlone(known, now()) && (await this.parts.isAlone());
    const decision = blame.decide(failure, known, { now: now(), storedAt: received.storedAt, isAlone });
    if ('end' in decision) {
      if (decision.end !== 'blamed') error = givenUp(error, GIVEN_UP[decision.end]);
      return this.bury(received, error, known.starts);
    }
    const attempt = { attempts: known.starts, counted: known.counted, error: error.message };
    this.logger.warn({ message: 'handler failed, message kept for another attempt', ...about(received), ...attempt });
    await this.wait(received, decision, error.message);
    return 'failed';
  }

  /** How often a handler was started on a message that is given up at once; usually it is the first time. */
  private async startsOf(received: Received): Promise<number> {
    if (triesOf(received) === 1) return 1;
    return this.parts.attempts.failed(received.id, this.parts.now()).then(
      ({ starts }) => starts,
      () => triesOf(received),
    );
  }

  private acknowledge(received: Received): void {
    received.message.ack();
    this.done(received);
  }

  private goOn({ id }: Received): void {
    const { blame, attempts, now } = this.parts;
    const { convicted, resumed } = blame.succeeded(id, now());
    if (resumed) this.parts.resume();
    for (const one of convicted)
      attempts.convict(one, now()).catch((error: unknown) => this.logger.warn(toError(error).message));
  }

  private done(received: Received): void {
    if (received.parked > 0) this.parts.room?.leave(received);
    // What is left behind expires.
    this.parts.attempts.forget(received.id).catch(() => undefined);
  }

  private async bury(received: Received, error: Error, starts: number): Promise<'dead-lettered' | 'failed'> {
    const attempts = error instanceof NeverFinished ? error.starts : starts;
    const details = { ...about(received), attempts, error: error.message };
    try {
      await this.parts.deadLetters.bury(received, { error, attempts });
      this.done(received);
      this.parts.blame.forget(received.id);
      this.parts.metrics.deadLettered(received.binding.durable, codeOf(error));
      this.logger.error({ message: 'message given up as a dead letter', ...details });
      return 'dead-lettered';
    } catch (thrown) {
      const cause = toError(thrown).message;
      this.logger.error({ message: 'dead letter not stored, message kept', ...details, cause });
      await this.wait(received, this.parts.blame.wait('failed', triesOf(received)), `dead letter not stored: ${cause}`);
      return 'failed';
    }
  }

  private async wait(received: Received, { waitMs, stays }: Wait, reason: string): Promise<void> {
    const { room, metrics } = this.parts;
    if (room && !stays) {
      try {
        await room.park(received, waitMs, reason);
        return metrics.parked(received.binding.durable);
      } catch (error) {
        this.logger.warn({
          message: 'a message waits in its stream',
          ...about(received),
          cause: toError(error).message,
        });
      }
    }
    received.message.nak(waitMs);
  }
}

const about = ({ binding, subject, sequence }: Received) => ({ durable: binding.durable, subject, sequence });

function givenUp(error: Error, why: string): Error {
  const { name, stack } = error;
  const given = new Error(`${error.message} (given up: ${why})`, { cause: error });
  return Object.assign(given, { name, ...(stack && { stack }), code: codeOf(error) });
}
