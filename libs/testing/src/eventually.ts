import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from './errors.js';

export interface EventuallyOptions {
  /** How long the assertion may keep failing, in milliseconds. Default 10 000. */
  withinMs?: number;
  /** Pause between two attempts, in milliseconds. Default 20. */
  everyMs?: number;
  /** What is awaited, for the error message. */
  what?: string;
}

/**
 * Repeats the assertion until it stops throwing and returns its value. When time is up it rejects with the
 * assertion's last failure as `cause`, also when the last attempt never settles.
 */
export async function eventually<T>(
  assertion: () => T | Promise<T>,
  { withinMs = 10_000, everyMs = 20, what = 'the expected state' }: EventuallyOptions = {},
): Promise<T> {
  const deadline = performance.now() + withinMs;
  let last: unknown = new Error('the first attempt has not finished');
  for (;;) {
    const attempt = await settle(assertion, deadline - performance.now());
    if (attempt.ok) return attempt.value;
    if (attempt.error !== undefined) last = attempt.error;
    if (performance.now() + everyMs >= deadline) break;
    await pause(everyMs);
  }
  const reason = messageOf(last);
  throw new Error(`${what} did not come about within ${withinMs} ms: ${reason}`, { cause: last });
}

type Attempt<T> = { ok: true; value: T } | { ok: false; error?: unknown };

async function settle<T>(assertion: () => T | Promise<T>, leftMs: number): Promise<Attempt<T>> {
  const timer = new AbortController();
  const timeUp = pause(Math.max(leftMs, 0), { ok: false } as const, { signal: timer.signal });
  timeUp.catch(() => undefined);
  const run = async (): Promise<Attempt<T>> => {
    try {
      return { ok: true, value: await assertion() };
    } catch (error) {
      return { ok: false, error: error ?? new Error('the assertion threw nothing') };
    }
  };
  try {
    return await Promise.race([run(), timeUp]);
  } finally {
    timer.abort();
  }
}
