import type { JsMsg } from '@nats-io/jetstream';
import type { JetStreamConnection } from '../connection/connection.js';
import { PublishRejected } from '../errors.js';
import type { Settings } from '../nest/options.js';
import type { JetStreamPublisher, OutboundMessage } from '../publish/publisher.js';
import type { Received } from '../consume/received.js';
import { seam } from '../seam.js';

/** Headers a dead letter has besides those of the original message. */
export const DEAD_LETTER = {
  /** What went wrong, on one line. */
  reason: 'dlq-reason',
  /** The `code` of the error, or its name. */
  code: 'dlq-code',
  /** How often a handler was started on it and failed, by all instances together. */
  attempts: 'dlq-attempts',
  /** Stack of the last error, line ends written as `\n`. */
  stack: 'dlq-stack',
  durable: 'dlq-durable',
  stream: 'dlq-stream',
  sequence: 'dlq-sequence',
  failedAt: 'dlq-failed-at',
  /** Bytes of the original body, when there was no room for all of it and the letter holds only the beginning. */
  truncated: 'dlq-truncated',
} as const;

/** Names the one durable a replayed message is for; every other durable acks and skips it. */
export const REPLAY_TO = 'dlq-replay-to';

export interface Failure {
  error: Error;
  attempts: number;
}

const REASON_LENGTH = 512;
const STACK_LENGTH = 2_048;
/** What is kept of the body, in bytes, when not even the reason fits beside the whole. */
const BEGINNING = 65_536;
/** What is kept of the original's headers then, each no longer than a reason. */
const ENVELOPE = /^ce-(id|type|source|subject|time)$/;

/** A header of the broker's own: an expectation or id of the original would act again on the copy. */
const CONTROL = /^nats-/i;

/** Gives a message up without losing it: a copy with the reason first, then a confirmed `term`. */
export class DeadLetters {
  constructor(
    private readonly connection: JetStreamConnection,
    private readonly publisher: JetStreamPublisher,
    private readonly settings: Settings,
  ) {}

  /**
   * Resolves when the copy is stored and the broker has confirmed that the original is done with. When the copy
   * cannot be stored it rejects and the original is untouched. A crash in between repeats both, and the copy's
   * message id keeps it single.
   */
  async bury(received: Received, failure: Failure): Promise<void> {
    const { message, binding } = received;
    const letter = deadLetterOf(received, failure, this.settings.deadLetter.subjectPrefix);
    await this.store([letter, withoutStack(letter), beginningOf(letter, message.data)]);
    seam('copied', binding.durable);
    const reason = oneLine(failure.error.message, REASON_LENGTH);
    // `term()` is fire and forget; only a request tells that the broker has it.
    const { reply } = message as JsMsg & { reply: string };
    await this.connection.nc.request(reply, `+TERM ${reason}`, { timeout: 5_000 });
  }

  /** Stores the first of these that the broker takes: a message that just fits has no room for what a letter adds. */
  private async store([letter, ...smaller]: OutboundMessage[]): Promise<void> {
    try {
      await this.publisher.publish(letter!);
    } catch (error) {
      if (!(error instanceof PublishRejected) || smaller.length === 0) throw error;
      await this.store(smaller);
    }
  }
}

export function deadLetterOf(received: Received, failure: Failure, prefix: string): OutboundMessage {
  const { binding, headers: original, sequence } = received;
  const { stream, durable } = binding;
  const first = original['ce-id'] ? `${original['ce-id']}:${durable}` : `${stream}:${durable}:${sequence}`;
  // A replayed message that fails again is a letter of its own: under the first one's id it would pass for that one.
  const id = original[REPLAY_TO] ? `${first}:${sequence}` : first;
  const { error } = failure;
  return {
    subject: `${prefix}.${durable}.${received.subject}`,
    id,
    data: received.message.data,
    headers: {
      ...without(original, (name) => CONTROL.test(name) || name === REPLAY_TO),
      [DEAD_LETTER.reason]: oneLine(error.message, REASON_LENGTH),
      [DEAD_LETTER.code]: oneLine(codeOf(error), 64),
      [DEAD_LETTER.attempts]: String(failure.attempts),
      [DEAD_LETTER.stack]: typeof error.stack === 'string' ? oneLine(error.stack, STACK_LENGTH) : '',
      [DEAD_LETTER.durable]: durable,
      [DEAD_LETTER.stream]: stream,
      [DEAD_LETTER.sequence]: String(sequence),
      [DEAD_LETTER.failedAt]: new Date().toISOString(),
    },
  };
}

function withoutStack(letter: OutboundMessage): OutboundMessage {
  return { ...letter, headers: without(letter.headers, (name) => name === DEAD_LETTER.stack) };
}

/** A letter of bounded size: it says what happened to what, and how the original began. */
function beginningOf(letter: OutboundMessage, body: Uint8Array): OutboundMessage {
  const own = new Set<string>(Object.values(DEAD_LETTER));
  const { headers } = withoutStack(letter);
  const kept = without(
    headers,
    (name) => !own.has(name) && !(ENVELOPE.test(name) && headers[name]!.length <= REASON_LENGTH),
  );
  return {
    ...letter,
    data: body.subarray(0, BEGINNING),
    headers: { ...kept, [DEAD_LETTER.truncated]: String(body.length) },
  };
}

/** The message that gives a dead letter to its durable again, and to no other. `sequence` is the one in the DLQ. */
export function replayOf(
  letter: { headers: Record<string, string>; subject: string; data: string | Uint8Array },
  sequence: number,
): OutboundMessage {
  const durable = letter.headers[DEAD_LETTER.durable] ?? '';
  const subject = letter.subject.slice(letter.subject.indexOf(`.${durable}.`) + durable.length + 2);
  const headers = { ...without(letter.headers, (name) => name.startsWith('dlq-')), [REPLAY_TO]: durable };
  // Not the original id, which the stream may still know as a duplicate.
  return { subject, id: `replay:${durable}:${sequence}`, headers, data: letter.data };
}

export function codeOf(error: Error): string {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && code !== '' ? code : error.name;
}

function without(headers: Record<string, string>, drop: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !drop(name)));
}

function oneLine(text: string, length: number): string {
  return text.slice(0, length).replaceAll('\r', '').replaceAll('\n', '\\n');
}
