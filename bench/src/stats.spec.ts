import { describe, expect, it } from '@jest/globals';
import { median, medianInterval, quantile, randomOf } from './stats.js';

describe('median', () => {
  it('is the figure in the middle, whatever the order', () => {
    expect(median([9, 1, 5])).toBe(5);
  });

  it('is the mean of the two in the middle of an even number', () => {
    expect(median([4, 1, 2, 100])).toBe(3);
  });
});

describe('quantile', () => {
  it('is the figure that the share of all does not exceed', () => {
    const figures = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(quantile(figures, 0.5)).toBe(51);
    expect(quantile(figures, 0.99)).toBe(100);
    expect(quantile([7], 0.99)).toBe(7);
  });

  it('leaves the figures as they were', () => {
    const figures = [3, 1, 2];
    quantile(figures, 0.5);
    expect(figures).toEqual([3, 1, 2]);
  });
});

describe('medianInterval', () => {
  it('holds the median and lies within the figures', () => {
    const figures = [10, 12, 11, 30, 9, 10.5, 11.5];
    const [low, high] = medianInterval(figures, randomOf(1));
    expect(low).toBeGreaterThanOrEqual(9);
    expect(low).toBeLessThanOrEqual(median(figures));
    expect(high).toBeGreaterThanOrEqual(median(figures));
    expect(high).toBeLessThanOrEqual(30);
  });

  it('is the figure itself when all are the same', () => {
    expect(medianInterval([4, 4, 4], randomOf(1))).toEqual([4, 4]);
  });

  it('is wider when the figures are', () => {
    const width = (figures: number[]) => {
      const [low, high] = medianInterval(figures, randomOf(1));
      return high - low;
    };
    expect(width([1, 5, 9, 13, 17, 21, 25])).toBeGreaterThan(width([12, 12.5, 13, 13, 13.5, 14, 13]));
  });

  it('covers the true median about as often as it says', () => {
    const random = randomOf(2);
    const tries = Array.from({ length: 40 }, () => {
      const [low, high] = medianInterval(
        Array.from({ length: 9 }, () => random() - 0.5),
        random,
      );
      return low <= 0 && 0 <= high;
    });
    expect(tries.filter(Boolean).length).toBeGreaterThanOrEqual(34);
  });

  it('repeats itself with the same chances', () => {
    expect(medianInterval([1, 2, 3, 4, 5], randomOf(3))).toEqual(medianInterval([1, 2, 3, 4, 5], randomOf(3)));
  });
});

describe('randomOf', () => {
  it('draws evenly between 0 and 1', () => {
    const random = randomOf(7);
    const tenths = Array.from({ length: 10 }, () => 0);
    for (let i = 0; i < 10_000; i++) tenths[Math.floor(random() * 10)]!++;
    for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });
});
