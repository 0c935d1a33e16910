import { tmpdir } from 'node:os';
import type { Progress } from '@pavane/tools';
import { type Figure, figureOf } from '../figure.js';
import { describeMachine, type Machine, machineLine } from '../machine.js';
import { DEADLINE_SECONDS, FACTORS, measureOverload, type Overload, type Run } from './run.js';

/** What becomes of customers who are more than the platform can serve. */
export interface OverloadReport {
  /** Measured three times a round. */
  capacity: Figure;
  calm: { p50Ms: Figure; p99Ms: Figure };
  /** By factor. */
  overloads: Record<string, Record<Exclude<keyof Overload, 'factor'>, Figure>>;
  broken: string[];
  settings: { rounds: number; seconds: number; deadlineSeconds: number };
  machine: Machine;
}

const DIGITS: Record<Exclude<keyof Overload, 'factor'>, number> = {
  came: 0,
  accepted: 0,
  refusals: 0,
  confirmed: 3,
  p50Ms: 0,
  p99Ms: 0,
  capturedMs: 0,
  perSecond: 1,
  goodput: 2,
  recovery: 0,
};

export async function benchOverload(options: {
  rounds: number;
  seconds: number;
  progress: Progress;
}): Promise<OverloadReport> {
  const { rounds, seconds, progress } = options;
  const runs: Run[] = [];
  for (let round = 0; round < rounds; round++)
    runs.push(
      await progress(`more customers than can be served, ${round + 1}/${rounds}`, () => measureOverload(seconds)),
    );
  const overloads = Object.fromEntries(
    FACTORS.map((factor, i) => {
      const figures = Object.entries(DIGITS).map(([name, digits]) => [
        name,
        figureOf(
          runs.map((run) => run.overloads[i]![name as keyof typeof DIGITS]),
          digits,
        ),
      ]);
      return [`${factor}`, Object.fromEntries(figures) as OverloadReport['overloads'][string]];
    }),
  );
  return {
    capacity: figureOf(runs.flatMap(({ capacities }) => capacities)),
    calm: { p50Ms: figureOf(runs.map(({ calm }) => calm.p50Ms)), p99Ms: figureOf(runs.map(({ calm }) => calm.p99Ms)) },
    overloads,
    broken: runs.flatMap(({ broken }) => broken),
    settings: { rounds, seconds, deadlineSeconds: DEADLINE_SECONDS },
    machine: describeMachine(tmpdir()),
  };
}

/** As a person likes to read it. */
export function describeOverload({ capacity, calm, overloads, broken, settings, machine }: OverloadReport): string {
  const factors = Object.keys(overloads);
  const line = (label: string, of: (overload: OverloadReport['overloads'][string]) => string) =>
    `  ${label.padEnd(48)}${factors.map((factor) => of(overloads[factor]!).padStart(12)).join('')}`;
  const percent = (share: number) => `${(share * 100).toFixed(0)} %`;
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
  return [
    `  ${machineLine(machine)}`,
    `  medians of ${settings.rounds} rounds; orders end within ${settings.deadlineSeconds} s or are cancelled`,
    `  capacity ${capacity.median.toFixed(0)} orders/s; at half of it p50 ${seconds(calm.p50Ms.median)}, p99 ${seconds(calm.p99Ms.median)}`,
    '',
    `  ${''.padEnd(48)}${factors.map((factor) => `${factor} ×`.padStart(12)).join('')}`,
    line('customers', ({ came }) => `${came.median}`),
    line('orders accepted', ({ accepted }) => `${accepted.median}`),
    line('times somebody was turned away', ({ refusals }) => `${refusals.median}`),
    line('of the accepted, confirmed', ({ confirmed }) => percent(confirmed.median)),
    line('POST to ending, p50', ({ p50Ms }) => seconds(p50Ms.median)),
    line('POST to ending, p99', ({ p99Ms }) => seconds(p99Ms.median)),
    line('captured money waits, p50', ({ capturedMs }) => seconds(capturedMs.median)),
    line('confirmed a second', ({ perSecond }) => perSecond.median.toFixed(0)),
    line('  of the capacity right before and after', ({ goodput }) => percent(goodput.median)),
    line('as before the overload again after', ({ recovery }) => `${recovery.median} s`),
    ...broken.map((what) => `  the audit found ${what}`),
  ].join('\n');
}
