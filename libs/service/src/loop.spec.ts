import { eventually } from '@pavane/testing';
import { Loop } from './loop.js';

describe('a loop whose rounds fail', () => {
  it('goes on, and tells of a failure once until it is another or is over', async () => {
    const rounds = ['away', 'away', 'away', 'full', undefined, 'full'];
    const told: string[] = [];
    let round = 0;
    const loop = new Loop(
      async () => {
        const failure = rounds[round++];
        if (failure) throw new Error(failure);
      },
      { everyMs: 1, onError: (error) => told.push((error as Error).message) },
    );
    loop.start();
    await eventually(() => expect(round).toBeGreaterThan(rounds.length));
    await loop.stop();
    expect(told).toEqual(['away', 'full', 'full']);
  });
});
