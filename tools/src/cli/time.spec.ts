import { timeOf } from './time.js';

describe('a time given to a command', () => {
  it.each([
    ['2026-11-21T08:00:00Z', '2026-11-21T08:00:00.000Z'],
    ['2026-11-21T08:00:00.5+01:00', '2026-11-21T07:00:00.500Z'],
    ['2026-11-21T08:00-03:30', '2026-11-21T11:30:00.000Z'],
    ['2028-02-29T23:59:59Z', '2028-02-29T23:59:59.000Z'],
  ])('%s is the same everywhere', (text, utc) => {
    expect(timeOf(text)?.toISOString()).toBe(utc);
  });

  it.each([
    ['without a zone', '2026-11-21T08:00:00'],
    ['of a day only', '2026-11-21'],
    ['that is a year', '2026'],
    ['that is a number', '1'],
    ['that is a number of seconds', '1764000000'],
    ['in words', 'Nov 21 2026 08:00 UTC'],
    ['on a day that does not exist', '2026-02-30T08:00:00Z'],
    ['at an hour that does not exist', '2026-11-21T25:00:00Z'],
    ['that is missing', ''],
  ])('%s is none', (_, text) => {
    expect(timeOf(text)).toBeUndefined();
  });
});
