import { summaryOf } from './report.js';
import type { Run } from './run.js';

const runOf = (sagasPerSecond: number, latenciesMs: number[] = [10]): Run => ({
  sagasPerSecond,
  settledPerSecond: sagasPerSecond,
  latency: { 20: { perSecond: sagasPerSecond / 5, latenciesMs }, 70: { perSecond: sagasPerSecond, latenciesMs } },
  cpuPer1000: { order: 1 },
  rssAtRestMb: { order: 100 },
  rssAfterMb: { order: 120 },
  startSeconds: 5,
  audited: 10,
});
const settings = {
  rounds: 3,
  seconds: 1,
  inFlight: 8,
  machine: { cpu: 'any', cores: 2, memoryMb: 1024, kernel: '6', node: '24', disk: 'ext4' },
};

test('compares within each round, because a slow round is slow for everyone', () => {
  const ours = [runOf(100), runOf(10), runOf(200)];
  const floor = [runOf(200), runOf(20), runOf(400)];
  const { ratios } = summaryOf(new Map([['r1' as const, new Map(Object.entries({ ours, floor }) as never)]]), settings);
  expect(ratios).toEqual({ floor: 0.5 });
});

test('takes its headline from the most durable profile', () => {
  const only = (run: Run) => new Map([['ours' as const, [run]]]);
  const runs = new Map([
    ['r1' as const, only(runOf(100))],
    ['r3' as const, only(runOf(50, [1, 2, 30]))],
  ]);
  expect(summaryOf(runs, settings)).toMatchObject({ headline: 'r3', sagasPerSecond: 50, p50Ms: 2, p99Ms: 30 });
});

test('takes latencies over the orders of all rounds', () => {
  const ours = [runOf(1, [1, 2, 3]), runOf(1, [4, 5])];
  const { profiles } = summaryOf(new Map([['r1' as const, new Map([['ours' as const, ours]])]]), settings);
  expect(profiles.r1!.variants.ours!.latency[20]).toMatchObject({ p50Ms: 3, p99Ms: 5, orders: 5 });
});
