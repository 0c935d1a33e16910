import { setTimeout as pause } from 'node:timers/promises';
import { RetryLater } from '@pavane/jetstream';
import { CLOCK_TOLERANCE_MS, Clocks, compare, type Comparison } from './clocks.js';

const off = (aheadMs: number, errorMs = 1) => Promise.resolve({ aheadMs, errorMs });
async function clocksThat(found: Partial<Record<'database' | 'broker', Promise<Comparison | undefined>>>) {
  const clocks = new Clocks({
    database: () => found.database ?? Promise.resolve(undefined),
    broker: () => found.broker ?? Promise.resolve(undefined),
  });
  await clocks.refresh();
  return clocks;
}

describe('the clock of a service', () => {
  it('may be as far from others as clocks are that somebody keeps in time', async () => {
    const clocks = await clocksThat({ database: off(-CLOCK_TOLERANCE_MS), broker: off(CLOCK_TOLERANCE_MS) });
    expect(clocks.problems).toEqual([]);
    expect(Math.abs(clocks.now().getTime() - Date.now())).toBeLessThan(1000);
  });

  it('is said to be wrong by one sentence for each that it is too far from', async () => {
    const clocks = await clocksThat({ database: off(-300_000), broker: off(5_100) });
    expect(clocks.problems).toEqual([
      'it is 300.0 s behind that of the database, and 5 s are allowed; set both by NTP',
      'it is 5.1 s ahead of that of the broker, and 5 s are allowed; set both by NTP',
    ]);
  });

  it('is not decided by while it is wrong', async () => {
    const clocks = await clocksThat({ broker: off(300_000) });
    expect(() => clocks.now()).toThrow(RetryLater);
  });

  it('is not decided by before it has been compared with any other', async () => {
    const clocks = await clocksThat({});
    expect(clocks.problems).toEqual([]);
    expect(() => clocks.now()).toThrow(/cannot be trusted yet/);
  });

  it('is not blamed for what may be the time that the answer took', async () => {
    const clocks = await clocksThat({ broker: off(9_000, 4_500) });
    expect(clocks.problems).toEqual([]);
  });

  it('is not blamed when nobody can be asked', async () => {
    const clocks = await clocksThat({ database: Promise.reject(new Error('away')) });
    expect(clocks.problems).toEqual([]);
  });
});

it('another clock is compared with the moment halfway between question and answer', async () => {
  const found = await compare(async () => {
    await pause(20);
    const theirs = Date.now() - 60_000;
    await pause(20);
    return theirs;
  });
  expect(Math.abs(found!.aheadMs - 60_000)).toBeLessThanOrEqual(found!.errorMs + 1);
  expect(await compare(async () => undefined)).toBeUndefined();
});
