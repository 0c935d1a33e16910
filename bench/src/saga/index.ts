import { tmpdir } from 'node:os';
import type { Progress } from '@pavane/tools';
import { describeMachine } from '../machine.js';
import { type GrowthOptions, measureGrowth } from './growth.js';
import { type Profile, type ProfileName, profiles } from './profiles.js';
import { type SagaReport, summaryOf } from './report.js';
import { measure, type Run, type RunOptions } from './run.js';
import { type Variant, type VariantName, variants } from './variants.js';

export { describeSaga } from './describe.js';
export type { SagaReport } from './report.js';

export interface SagaOptions extends RunOptions {
  rounds: number;
  profiles: readonly ProfileName[];
  variants: readonly VariantName[];
  /** Also measures what it costs to have up to so many orders stored, and so many waiting. */
  growth: Pick<GrowthOptions, 'stored' | 'backlog'> | undefined;
  /** Is handed what there is after each round, so that a run that is cut off has not been for nothing. */
  keep?: (report: SagaReport) => void;
  progress: Progress;
}

/**
 * Measures the saga in every variant on every profile, each on a new platform, in turns: what this machine does better
 * or worse after a while, it does for all of them.
 */
export async function benchSaga(options: SagaOptions): Promise<SagaReport> {
  const { rounds, seconds, inFlight, progress, keep } = options;
  const measured = variants.filter(({ name }) => options.variants.includes(name));
  const runs = new Map(
    options.profiles.map((name) => [name, new Map(measured.map((variant) => [variant.name, [] as Run[]]))]),
  );
  const settings = { rounds, seconds, inFlight, machine: describeMachine(tmpdir()) };
  for (let round = 0; round < rounds; round++) {
    for (const profile of options.profiles) {
      for (const variant of turned(measured, round)) {
        const run = await progress(label(round, rounds, profiles[profile], variant), () =>
          measure(variant, profiles[profile], options),
        );
        runs.get(profile)!.get(variant.name)!.push(run);
      }
    }
    keep?.(summaryOf(runs, { ...settings, rounds: round + 1 }));
  }
  const growth =
    options.growth && (await measureGrowth(profiles[options.profiles.at(-1)!], { ...options, ...options.growth }));
  return summaryOf(runs, { ...settings, ...(growth && { growth }) });
}

/** Each comes first in its turn. */
const turned = (all: readonly Variant[], by: number): Variant[] => all.map((_, i) => all[(i + by) % all.length]!);

const label = (round: number, rounds: number, profile: Profile, variant: Variant): string =>
  `round ${round + 1}/${rounds}, ${profile.name}: ${variant.name}, ${variant.about}`;
