import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@pavane/tools';
import { Coverage } from './coverage.js';
import { play } from './run.js';
import type { Sabotage } from './sabotage.js';
import { type Scenario, trySeed } from './scenario.js';

/** A seed that broke a promise, with the smallest scenario that still does. */
export interface Failure {
  seed: number;
  violation: string;
  scenario: Scenario;
  /** What happened in the smallest scenario, a line a step; the last few hundred. */
  story: string[];
}

export interface ModelOptions {
  seeds: number;
  firstSeed: number;
  /** Breaks the model on purpose. */
  sabotage?: Sabotage;
  /** Whether failures are made as small as possible. Default true. */
  shrink?: boolean;
  /** Stops after so many failures. Default 5. */
  enough?: number;
  onProgress?(done: number, failures: number): void;
}

export interface ModelReport {
  runs: number;
  steps: number;
  failures: Failure[];
  coverage: Coverage;
  /** How orders ended, and how often. */
  endings: Map<string, number>;
}

const STORY_KEPT = 400;

/** Runs seeds one after the other. The same seeds give the same report. */
export function runModel({
  seeds,
  firstSeed,
  sabotage,
  shrink = true,
  enough = 5,
  onProgress,
}: ModelOptions): ModelReport {
  const report: ModelReport = { runs: 0, steps: 0, failures: [], coverage: new Coverage(), endings: new Map() };
  for (let seed = firstSeed; seed < firstSeed + seeds && report.failures.length < enough; seed++) {
    // What shrinking plays is no evidence of what was covered.
    let isFirst = true;
    const failure = trySeed(
      seed,
      (scenario) => {
        const { violation, steps, world } = play(scenario, {
          sabotage,
          coverage: isFirst ? report.coverage : undefined,
        });
        if (isFirst) {
          report.steps += steps;
          for (const { order } of world.order.rows.values()) count(report.endings, order.reason ?? order.status);
        }
        isFirst = false;
        return violation;
      },
      shrink,
    );
    report.runs++;
    if (failure) report.failures.push({ seed, ...failure, story: storyOf(failure.scenario, sabotage) });
    if (report.runs % 100 === 0) onProgress?.(report.runs, report.failures.length);
  }
  return report;
}

const count = (counts: Map<string, number>, what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);

function storyOf(scenario: Scenario, sabotage?: Sabotage): string[] {
  const story: string[] = [];
  play(scenario, { sabotage, tell: (line) => story.push(line) });
  return story.slice(-STORY_KEPT);
}

/** Plays a kept failure again: the promise it breaks, or `undefined` when it breaks none any more. */
export const replay = ({ scenario }: Pick<Failure, 'scenario'>): string | undefined => play(scenario).violation;

/** Where seeds that once failed are kept; the model's test plays each of them again. */
export const FAILING_SEEDS = join(ROOT, 'prove/failing-seeds');

/** Keeps a failure, so that it is played from now on. Returns the file. */
export function keep(failure: Failure): string {
  mkdirSync(FAILING_SEEDS, { recursive: true });
  const file = join(FAILING_SEEDS, `${failure.seed}.json`);
  writeFileSync(file, `${JSON.stringify(failure, undefined, 2)}\n`);
  return file;
}

/** The failures kept so far. */
export function kept(): Failure[] {
  try {
    return readdirSync(FAILING_SEEDS)
      .filter((name) => name.endsWith('.json'))
      .map((name) => JSON.parse(readFileSync(join(FAILING_SEEDS, name), 'utf8')) as Failure);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
