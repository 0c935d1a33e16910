/** The first and the longest pause of an exponential back-off, in milliseconds. */
export interface Range {
  firstMs: number;
  maxMs: number;
}

/**
 * Pause before attempt `attempt + 1`: doubles from `firstMs` up to `maxMs`, of which the upper half is random, so
 * that instances which failed together do not come back together.
 */
export function backoff(range: Range, attempt: number, random: () => number): number {
  const ceiling = Math.min(range.maxMs, range.firstMs * 2 ** Math.min(Math.max(attempt, 1) - 1, 30));
  return Math.round(ceiling / 2 + (ceiling / 2) * random());
}
