import { type Interval, median, medianInterval, randomOf } from './stats.js';

/** What was measured in every round. */
export interface Figure {
  median: number;
  /** Where the median lies with 95 % confidence; from few rounds it says little. */
  interval: Interval;
  byRound: number[];
}

/** Resampling takes the same chances whenever a report is made of the same figures. */
const SEED = 1;

export function figureOf(byRound: readonly number[], digits = 1): Figure {
  const [from, to] = medianInterval(byRound, randomOf(SEED));
  return {
    median: rounded(median(byRound), digits),
    interval: [rounded(from, digits), rounded(to, digits)],
    byRound: byRound.map((figure) => rounded(figure, digits)),
  };
}

export const rounded = (figure: number, digits = 1): number => Number(figure.toFixed(digits));
