import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Cell } from './crash/matrix.js';
import { planOf } from './plan.js';
import { lineOf, type Report, reportOn, summaryOf, writeResults } from './report.js';
import { type Outcome, Scene } from './scene.js';
import { soak as soakOf } from './soak.js';

export interface FaultsOptions {
  mode: 'quick' | 'normal' | 'full';
  seed: number;
  only: string | undefined;
  /** Where histories are written. */
  history: string | undefined;
  /** Instead of faults: customers for so long. */
  soak: { durationMs: number; perSecond: number } | undefined;
}

/** Plays faults one after the other, and tells how it goes on. */
export async function proveFaults({
  mode,
  seed,
  only,
  history,
  soak,
}: FaultsOptions): Promise<{ ok: boolean; report: Report }> {
  if (history) mkdirSync(history, { recursive: true });
  const { faults, cells } = soak
    ? { faults: [soakOf(soak.durationMs, soak.perSecond)], cells: () => [] }
    : planOf({ mode, only, onCell: tell });
  const started = performance.now();
  const outcomes: Outcome[] = [];
  const [name, option] = soak
    ? ['soak', ` --soak ${soak.durationMs / 60_000}m --rate ${soak.perSecond}`]
    : mode === 'full'
      ? ['full', ' --full']
      : ['prove', ''];
  let page: string | undefined;
  for (const fault of faults) {
    console.error(
      `  … ${`${outcomes.length + 1}/${faults.length}`.padStart(5)}  ${fault.name}: ${fault.about}${left(started, outcomes.length, faults.length)}`,
    );
    const historyFile = history && join(resolve(history), `${fault.name}.jsonl`);
    const outcome = await Scene.play(fault, { seed, historyFile });
    outcomes.push(outcome);
    console.error(lineOf(outcome));
    if (outcome.violations.length > 0)
      console.error(`      again: npm run prove --${soak ? option : ` --only ${fault.name}`} --seed ${seed}`);
    // Now, and not at the end: a run that is cut off keeps what it has.
    if (!only && mode !== 'quick')
      page = writeResults(name, `npm run prove --${option} --seed ${seed}`, reportOn(outcomes), cells());
  }
  const report = reportOn(outcomes);
  console.error(`${summaryOf(report)}\n  ${Math.round((performance.now() - started) / 1000)} s in all`);
  if (page) console.error(`  ${page}`);
  return { ok: report.ok, report };
}

/** A guess from the faults so far; they differ. */
function left(started: number, done: number, all: number): string {
  if (done < 2) return '';
  const minutes = (((performance.now() - started) / done) * (all - done)) / 60_000;
  return ` (about ${Math.ceil(minutes)} min left)`;
}

function tell({ service, point, of, recoveriesMs }: Cell, done: number, all: number): void {
  const last = recoveriesMs.at(-1);
  console.error(
    `    ${`${done}/${all}`.padStart(7)}  ${service.padEnd(12)} ${point.padEnd(18)} ${of.padEnd(32)} ${last === undefined ? 'not reached' : `ready again after ${last} ms`}`,
  );
}
