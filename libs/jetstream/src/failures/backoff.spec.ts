import { backoff } from './backoff.js';

describe('backoff', () => {
  it('doubles from the first pause to the longest', () => {
    const pauses = [1, 2, 3, 4, 5, 60, 4_000].map((attempt) =>
      backoff({ firstMs: 100, maxMs: 1_000 }, attempt, () => 1),
    );
    expect(pauses).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000]);
  });

  it('leaves half of the pause to chance', () => {
    expect(backoff({ firstMs: 100, maxMs: 1_000 }, 1, () => 0)).toBe(50);
    expect(backoff({ firstMs: 100, maxMs: 1_000 }, 1, () => 0.5)).toBe(75);
  });
});
