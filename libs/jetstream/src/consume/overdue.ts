import { RetryLater } from '../errors.js';

/** A handler did not end within its deadline. It goes on running unseen, unless it heeds its `AbortSignal`. */
export class HandlerTimeout extends Error {
  readonly code = 'HANDLER_TIMEOUT';

  constructor(durable: string, deadlineMs: number) {
    super(
      `The handler of '${durable}' did not end within its deadline of ${deadlineMs} ms. Give what it calls a time-out or the signal of its context, or give it a longer deadline.`,
    );
    this.name = 'HandlerTimeout';
  }
}

/** A handler that runs. */
class Run {
  /** Made when it is asked for: few handlers do. */
  private abort: AbortController | undefined;
  private reason: Error | undefined;
  isOverdue = false;

  constructor(
    readonly durable: string,
    readonly key: string,
    readonly startedAt: number,
    readonly deadlineMs: number,
    private readonly reject: (reason: Error) => void,
  ) {}

  readonly signal = (): AbortSignal => {
    this.abort ??= new AbortController();
    if (this.reason) this.abort.abort(this.reason);
    return this.abort.signal;
  };

  giveUp(reason: Error): void {
    this.reason = reason;
    this.abort?.abort(reason);
    this.reject(reason);
  }
}

/** Between looks for handlers whose deadline has passed. */
const LOOK_EVERY_MS = 250;

/** Watches the handlers that run, and those that should have ended. */
export class Overdue {
  private readonly runs = new Set<Run>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Handlers that run, in time or not. */
  get running(): number {
    return this.runs.size;
  }

  /** Handlers that run on although they were given up, by durable. */
  get counts(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { durable, isOverdue } of this.runs) if (isOverdue) counts.set(durable, (counts.get(durable) ?? 0) + 1);
    return counts;
  }

  /** One line for each durable with such handlers. */
  get findings(): string[] {
    return [...this.counts].map(([durable, count]) => {
      const oldest = [...this.runs].find((run) => run.isOverdue && run.durable === durable)!;
      const seconds = Math.round((this.now() - oldest.startedAt) / 1_000);
      const who = count === 1 ? `A handler of '${durable}' runs` : `${count} handlers of '${durable}' run`;
      return `${who} on after the deadline, since ${seconds} s (key '${oldest.key}'). Look for a call without a time-out; a restart ends it.`;
    });
  }

  /**
   * Resolves with `work`, or rejects with `HandlerTimeout` up to 250 ms after its deadline has passed; `work` is told by
   * its signal, and watched until it ends.
   */
  within<T>(
    { durable, key, deadlineMs }: { durable: string; key: string; deadlineMs: number },
    work: (signal: () => AbortSignal) => Promise<T>,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const run = new Run(durable, key, this.now(), deadlineMs, reject);
      this.runs.add(run);
      this.timer ??= setInterval(() => this.look(), LOOK_EVERY_MS).unref();
      work(run.signal)
        .then(resolve, reject)
        .finally(() => this.runs.delete(run));
    });
  }

  /** Gives up on everything that runs: the process is about to end. */
  abandon(): void {
    clearInterval(this.timer);
    for (const run of this.runs)
      run.giveUp(new RetryLater(`the service stopped before the handler of '${run.durable}' ended`));
  }

  private look(): void {
    for (const run of this.runs) {
      if (run.isOverdue || this.now() - run.startedAt < run.deadlineMs) continue;
      run.isOverdue = true;
      run.giveUp(new HandlerTimeout(run.durable, run.deadlineMs));
    }
    if (this.runs.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
