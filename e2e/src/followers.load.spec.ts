import { expect, it, jest } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { Platform } from './harness/platform.js';

jest.setTimeout(180_000);

const ORDERS = 80;
const FOLLOWERS = 800;
const SAMPLES = 60;

it(`${FOLLOWERS} followers are nothing to those who place orders`, async () => {
  await using platform = await Platform.start({ orderDeadline: '1h' });
  await platform.providerFaults({ hang: true });
  const accepted: string[] = [];
  const place = async (): Promise<number> => {
    const started = performance.now();
    accepted.push((await platform.place()).id);
    return performance.now() - started;
  };
  /** The median time an order takes to be accepted, one after the other. */
  const median = async (): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < SAMPLES; i++) times.push(await place());
    return times.toSorted((a, b) => a - b)[SAMPLES / 2]!;
  };
  for (let i = 0; i < ORDERS; i++) await place();
  const followed = accepted.slice();
  const before = await median();

  const gone = new AbortController();
  const streams = Array.from({ length: FOLLOWERS }, (_, i) =>
    fetch(`${platform.http.url}/orders/${followed[i % ORDERS]!}/events`, { signal: gone.signal }),
  );
  expect((await Promise.all(streams)).filter(({ status }) => status !== 200)).toEqual([]);
  const during = await median();
  gone.abort();
  await eventually(async () => expect(await platform.metric(platform.http.url, 'order_followers')).toBe(0));
  const after = await median();

  process.stderr.write(`accepted in ${[before, during, after].map((ms) => ms.toFixed(1)).join(', ')} ms\n`);
  // When each follower had a reader of its own it was eight times as long.
  expect(during).toBeLessThan(3 * Math.max(before, after));
  await platform.providerFaults({});
  await platform.holds({ accepted });
});
