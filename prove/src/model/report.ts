import type { Service } from '@pavane/contracts';
import { type Cell, type Coverage, KINDS } from './coverage.js';
import { type Failure, keep, kept, type ModelReport, replay, runModel } from './model.js';
import { modelledDurables, notModelled } from './modelled.js';

/** What came of `npm run prove -- --model`. */
export interface ModelOutcome {
  ok: boolean;
  runs: number;
  violations: number;
  /** Seeds that failed, and where each is kept. */
  failed: { seed: number; violation: string; file: string }[];
  /** Reachable cells of handler × state × kind, and how many of them were reached. */
  coverage: { reachable: number; reached: number };
  /** Services that have no model. */
  notModelled: readonly Service[];
  /** For a person to read. */
  text: string;
  /** The coverage as a page: every handler × state × kind. */
  page: string;
}

export interface ModelCommandOptions {
  /** Default 10,000. */
  runs?: number | undefined;
  /** The first seed. Default 1. */
  seed?: number | undefined;
  onProgress?(done: number, failures: number): void;
}

const STORY_SHOWN = 40;

/** Runs the model, keeps what failed in `prove/failing-seeds/`, and plays again what was kept there before. */
export function modelCommand({ runs = 10_000, seed = 1, onProgress }: ModelCommandOptions = {}): ModelOutcome {
  const started = performance.now();
  const again = kept().filter((failure) => replay(failure) !== undefined);
  const report = runModel({ seeds: runs, firstSeed: seed, ...(onProgress && { onProgress }) });
  const failed = report.failures.map((failure) => ({
    seed: failure.seed,
    violation: failure.violation,
    file: keep(failure),
  }));
  const { coverage } = report;
  const reachable = coverage.cells.filter(({ impossible }) => !impossible);
  const violations = failed.length + again.length;
  return {
    ok: violations === 0,
    runs: report.runs,
    violations,
    failed,
    coverage: { reachable: reachable.length, reached: reachable.length - coverage.missing.length },
    notModelled,
    text: [
      summaryOf(report, seed, Math.round((performance.now() - started) / 1000)),
      ...again.map(({ seed: old, violation }) => `  ✘ seed ${old}, kept from before, still fails: ${violation}`),
      ...report.failures.map(failureOf),
      coverageOf(coverage),
      ...(notModelled.length > 0 ? [`  not modelled: ${notModelled.join(', ')}`] : []),
    ].join('\n'),
    page: pageOf(report, seed),
  };
}

function summaryOf({ runs, steps, failures, endings }: ModelReport, firstSeed: number, seconds: number): string {
  const ended = [...endings].sort().map(([how, times]) => `${times} ${how}`);
  return [
    `  ${failures.length === 0 ? '✔' : '✘'} ${runs} seeds from ${firstSeed}, ${steps} steps, ${failures.length} violations, ${seconds} s`,
    `    orders: ${ended.join(', ')}`,
  ].join('\n');
}

function failureOf({ seed, violation, scenario, story }: Failure): string {
  return [
    `  ✘ seed ${seed}: ${violation}`,
    `      ${JSON.stringify(scenario)}`,
    ...(story.length > STORY_SHOWN ? ['      …'] : []),
    ...story.slice(-STORY_SHOWN).map((line) => `      ${line}`),
    `      again: npm run prove -- --model --seed ${seed} --runs 1`,
  ].join('\n');
}

const nameOf = ({ durable, state, kind }: Cell): string => `${durable}, ${state}: ${kind}`;

/** Handler × kind, then what could have been reached and was not. */
function coverageOf(coverage: Coverage): string {
  const reachable = coverage.cells.filter(({ impossible }) => !impossible).length;
  const width = Math.max(...KINDS.map((kind) => kind.length)) + 2;
  const row = (name: string, cells: readonly (string | number)[]) =>
    `    ${name.padEnd(34)}${cells.map((cell) => String(cell).padStart(width)).join('')}`;
  return [
    `  coverage: ${reachable - coverage.missing.length} of ${reachable} reachable cells of handler × state × kind; processes died at ${coverage.crashes.size} places`,
    row('', KINDS),
    ...modelledDurables.map(({ durable }) =>
      row(
        durable,
        KINDS.map((kind) => coverage.count(durable, kind)),
      ),
    ),
    ...coverage.missing.map((cell) => `    not reached: ${nameOf(cell)}`),
  ].join('\n');
}

function pageOf({ runs, steps, failures, coverage }: ModelReport, firstSeed: number): string {
  const rows = [...Map.groupBy(coverage.cells, ({ durable, state }) => `| ${durable} | ${state} |`)].map(
    ([name, cells]) => `${name} ${cells.map(({ count, impossible }) => (impossible ? '–' : count)).join(' | ')} |`,
  );
  const reasons = [...Map.groupBy(coverage.cells, ({ impossible }) => impossible)].flatMap(([because, cells]) =>
    because
      ? [`| ${because} | ${cells.length} | ${[...new Set(cells.map(({ durable }) => durable))].join(', ')} |`]
      : [],
  );
  const crashes = [...coverage.crashes].sort().map(([where, times]) => `| ${where} | ${times} |`);
  return `# What the model went through

Written by \`npm run prove -- --model\`: ${runs} seeds from ${firstSeed}, ${steps} steps, **${failures.length} violations**.
${notModelled.length > 0 ? `\nNot modelled, and proved by the crash matrix and the faults alone: ${notModelled.join(', ')}.\n` : ''}
How often each handler was reached, by the state it found and the way the event came. – cannot be, for one of the reasons below.

| handler | state | ${KINDS.join(' | ')} |
|---|---|${KINDS.map(() => '---:').join('|')}|
${rows.join('\n')}

| cannot be, because | cells | handlers |
|---|---:|---|
${reasons.join('\n')}

## Where processes died

| job and seam | times |
|---|---:|
${crashes.join('\n')}
`;
}
