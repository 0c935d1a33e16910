import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** The middle of some figures; of an even number of them, the mean of the two in the middle. */
export function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(half)]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** The figure that the share `q` of all do not exceed, e.g. 0.99. */
export function quantile(figures: readonly number[], q: number): number {
  const sorted = figures.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!;
}

/** From and to. */
export type Interval = readonly [number, number];

const RESAMPLES = 2_000;

/**
 * Where the median of some figures lies with 95 % confidence: the bootstrap's percentiles. With one figure the
 * interval is that figure, which says nothing; take 7 or more.
 *
 * @param random from 0 (included) to 1 (excluded); the same chances give the same interval
 */
export function medianInterval(figures: readonly number[], random: () => number): Interval {
  const medians = Array.from({ length: RESAMPLES }, () =>
    median(figures.map(() => figures[Math.floor(random() * figures.length)]!)),
  );
  return [quantile(medians, 0.025), quantile(medians, 0.975)];
}

/** Chances that a seed repeats, from 0 (included) to 1 (excluded). */
export function randomOf(seed: number): () => number {
  const generator = xoroshiro128plus(seed);
  return () => uniformFloat64(generator);
}
