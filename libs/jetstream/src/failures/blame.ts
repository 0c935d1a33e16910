import { backoff, type Range } from './backoff.js';

/** What is known of the failed attempts at one message, by all instances together. */
export interface Attempts {
  /** How often a handler was started on it and failed. */
  readonly starts: number;
  /** How many of those count against it. */
  readonly counted: number;
  /** When the first one failed, in milliseconds since the epoch. */
  readonly firstAt: number;
}

export interface BlamePolicy {
  /** Attempts that count against a message before it is given up. */
  readonly maxAttempts: number;
  readonly concurrency: number;
  readonly backoff: { readonly failed: Range; readonly away: Range };
  /** After this long a failing message that nothing else waits beside is given up, in milliseconds. */
  readonly giveUpAloneMs: number;
  /** After this long in its stream a failing message is given up whoever is to blame, before the stream drops it. */
  readonly giveUpMs: number;
}

/** A failure as it looked when it happened. */
export interface Failure {
  /** Whether the last message handled before it that says something about the service, another one, succeeded. */
  readonly afterSuccess: boolean;
  /** Set when this failure made the durable rest, in milliseconds. */
  readonly pauseMs: number | undefined;
}

export interface Wait {
  readonly waitMs: number;
  /** In its stream, because the durable rests and nobody has to be let pass. */
  readonly stays: boolean;
}

/** What a message is to do that has failed: end as a dead letter, or wait. */
export type Decision = { readonly end: 'blamed' | 'alone' | 'too-old' } | Wait;

/** As few failures in a row say little, however few messages are handled at a time. */
const FEWEST_FAILURES = 5;
/** Probes of a single message before more are probed at a time. */
const SINGLE_PROBES = 4;
/** How many pauses a probed message waits, so that the next probe is of another one. */
const PROBED_WAITS = 2;
/** Messages remembered to have failed; one beyond that counts as if it failed for the first time. */
const REMEMBERED = 10_000;

/**
 * Decides whose fault failures are, for one durable in one process. Pure: a message is a string, and the clock and
 * chance are handed in.
 *
 * A failure is held against a message only when others succeeded just before and just after it: then the service worked
 * and the message did not. A message that fails for the first time comes between them, since it may be the service; one
 * that failed before does not, or poisoned messages that come back together would shield each other. While nothing
 * succeeds nobody is to blame, and the durable rests. Only what this process has seen is evidence: it may be the ill one
 * among healthy ones.
 */
export class Blame {
  /** The last outcome that says something about the service, and the last one of another message than that. */
  private last: Outcome | undefined;
  private beforeLast: Outcome | undefined;
  /** Failures after a success, until the next outcome shows whether they count. */
  private readonly undecided = new Set<string>();
  /** What has failed and not been handled since, oldest first. */
  private readonly known = new Set<string>();
  private failures = { inARow: 0, firstTimes: 0 };
  private succeededAt = Number.NEGATIVE_INFINITY;
  private rests = 0;
  private pauseMs = 0;
  private state: 'open' | 'resting' | 'probing' = 'open';

  constructor(
    private readonly policy: BlamePolicy,
    private readonly random: () => number,
  ) {}

  get isResting(): boolean {
    return this.state === 'resting';
  }

  /** How many messages may be under way: all there is room for while the durable is open, none while it rests. */
  get appetite(): number {
    if (this.state === 'open') return Number.POSITIVE_INFINITY;
    if (this.state === 'resting') return 0;
    return Math.min(this.policy.concurrency, 2 ** Math.max(0, this.rests - SINGLE_PROBES));
  }

  /** The pause is over: some waiting messages are tried. */
  probe(): void {
    if (this.state === 'resting') this.state = 'probing';
  }

  /** Returns the messages whose last failure counts against them now, and whether the durable goes on. */
  succeeded(message: string, now: number): { convicted: string[]; resumed: boolean } {
    this.note({ message, succeeded: true });
    this.known.delete(message);
    const convicted = [...this.undecided].filter((one) => one !== message);
    this.undecided.clear();
    this.failures = { inARow: 0, firstTimes: 0 };
    this.succeededAt = now;
    this.rests = 0;
    const resumed = this.state !== 'open';
    this.state = 'open';
    return { convicted, resumed };
  }

  /** A failure nobody has an explanation for. */
  failed(message: string, now: number): Failure {
    const failure = this.fail(message, now);
    if (failure.afterSuccess) this.undecided.add(message);
    return failure;
  }

  /** A failure that is not the message's fault, because something it needs is unavailable. */
  unavailable(message: string, now: number): Failure {
    return this.fail(message, now);
  }

  /** A message is given up, for whatever reason. */
  forget(message: string): void {
    this.known.delete(message);
    this.undecided.delete(message);
  }

  /** Whether a message has failed for so long that it is given up if it is alone. */
  mayGiveUpAlone({ firstAt }: Pick<Attempts, 'firstAt'>, now: number): boolean {
    return now - firstAt >= this.policy.giveUpAloneMs;
  }

  /** What becomes of a message that failed without an explanation. */
  decide(
    failure: Failure,
    { starts, counted, firstAt }: Attempts,
    about: { now: number; storedAt: number; isAlone: boolean },
  ): Decision {
    if (failure.afterSuccess && counted + 1 >= this.policy.maxAttempts) return { end: 'blamed' };
    if (about.now - about.storedAt >= this.policy.giveUpMs) return { end: 'too-old' };
    if (about.isAlone && this.mayGiveUpAlone({ firstAt }, about.now)) return { end: 'alone' };
    return this.wait('failed', starts);
  }

  /** How long a message waits before it is tried again, `tries` times in all so far. */
  wait(kind: 'failed' | 'away', tries: number, atLeastMs = 0): Wait {
    const stays = this.state !== 'open';
    const waitMs = stays ? PROBED_WAITS * this.pauseMs : backoff(this.policy.backoff[kind], tries, this.random);
    return { waitMs: Math.max(waitMs, atLeastMs), stays };
  }

  private fail(message: string, now: number): Failure {
    const isFirst = !this.known.has(message);
    const before = this.last?.message === message ? this.beforeLast : this.last;
    this.failures.inARow++;
    if (isFirst) {
      this.failures.firstTimes++;
      this.note({ message, succeeded: false });
      // They have no success right after them.
      for (const other of this.undecided) if (other !== message) this.undecided.delete(other);
      this.known.add(message);
      if (this.known.size > REMEMBERED) this.known.delete(this.known.values().next().value!);
    }
    return { afterSuccess: before?.succeeded === true, pauseMs: this.rest(now) };
  }

  private note(outcome: Outcome): void {
    if (this.last?.message !== outcome.message) this.beforeLast = this.last;
    this.last = outcome;
  }

  private rest(now: number): number | undefined {
    if (this.state === 'resting' || (this.state === 'open' && !this.isHopeless(now))) return undefined;
    this.state = 'resting';
    this.rests++;
    return (this.pauseMs = backoff(this.policy.backoff.away, this.rests, this.random));
  }

  /** As many failures in a row as messages are handled at a time: of new ones, or of any while nothing succeeds. */
  private isHopeless(now: number): boolean {
    const patience = Math.max(FEWEST_FAILURES, this.policy.concurrency);
    if (this.failures.firstTimes >= patience) return true;
    return this.failures.inARow >= patience && now - this.succeededAt >= this.policy.backoff.away.firstMs;
  }
}

/** What an outcome says about the service. */
interface Outcome {
  message: string;
  succeeded: boolean;
}
