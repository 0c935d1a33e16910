import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@pavane/tools';
import type { Cell } from './crash/matrix.js';
import type { Outcome } from './scene.js';

/** What a whole run came to: what `--json` prints. */
export interface Report {
  ok: boolean;
  kills: number;
  faults: number;
  orders: number;
  violations: number;
  skipped: string[];
  outcomes: Outcome[];
}

export function reportOn(outcomes: Outcome[]): Report {
  const played = outcomes.filter(({ skipped }) => !skipped);
  const sum = (of: (outcome: Outcome) => number) => played.reduce((total, outcome) => total + of(outcome), 0);
  const violations = sum((outcome) => outcome.violations.length);
  return {
    ok: violations === 0 && played.length > 0,
    kills: sum(({ kills }) => kills),
    faults: played.length,
    orders: sum(({ orders }) => orders),
    violations,
    skipped: outcomes.flatMap(({ name, skipped }) => (skipped ? [`${name}: ${skipped}`] : [])),
    outcomes,
  };
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** One outcome, as a line a person likes to read. */
export function lineOf(outcome: Outcome): string {
  const { name, orders, kills, lastedMs, recoveredMs, rssMb, violations, notes, keptIn, skipped } = outcome;
  if (skipped) return `  – ${name.padEnd(28)} skipped: ${skipped}`;
  const facts = [
    `${orders} orders`.padStart(12),
    `${kills} kills`.padStart(9),
    `${seconds(lastedMs)} long`.padStart(12),
    `recovered in ${seconds(recoveredMs)}`.padStart(22),
    `RSS ${rssMb} MB`,
  ];
  const line = `  ${violations.length === 0 ? '✔' : '✘'} ${name.padEnd(28)} ${facts.join('  ')}`;
  const more = [...notes, ...violations, ...(keptIn ? [`logs and data are in ${keptIn}`] : [])];
  return [line, ...more.map((text) => `      ${text}`)].join('\n');
}

export function summaryOf({ kills, faults, orders, violations, skipped }: Report): string {
  return [
    `  ${faults} faults, ${kills} kills, ${orders} orders, ${violations} violations`,
    ...skipped.map((what) => `  skipped: ${what}`),
  ].join('\n');
}

/** Writes `prove/results/<name>.md` and returns where that is. */
export function writePage(name: string, text: string): string {
  const dir = join(ROOT, 'prove/results');
  mkdirSync(dir, { recursive: true });
  const file = join(dir, `${name}.md`);
  writeFileSync(file, text);
  return file;
}

/** Writes `prove/results/<name>.md`: every fault, and the crash matrix if it was played. */
export function writeResults(name: string, command: string, report: Report, cells: readonly Cell[]): string {
  const rows = report.outcomes.map((o) =>
    o.skipped
      ? `| ${o.name} | ${o.about} | skipped: ${o.skipped} | | | | |`
      : `| ${o.name} | ${[o.about, ...o.notes].join('; ')} | ${o.orders} | ${o.kills} | ${seconds(o.recoveredMs)} | ${o.rssMb} MB | ${o.violations.length === 0 ? 'none' : o.violations.join('<br>')} |`,
  );
  return writePage(
    name,
    `# ${report.ok ? 'Nothing lost, nothing doubled' : 'Not everything held'}

Written by \`${command}\`: ${report.faults} faults, ${report.kills} kills, ${report.orders} orders, **${report.violations} violations**.
Recovery is the time from the heal until every order accepted before it had ended. RSS is the most memory any one process of a service held.

| fault | what is done | orders | kills | recovery | RSS | violations |
|---|---|---:|---:|---:|---:|---|
${rows.join('\n')}
${matrixOf(cells)}`,
  );
}

/** The results table: service × seam. */
function matrixOf(cells: readonly Cell[]): string {
  if (cells.length === 0) return '';
  const points = [...new Set(cells.map(({ point }) => point))];
  const text = (cell: Cell | undefined) =>
    cell ? cell.recoveriesMs.map((ms) => seconds(ms)).join(', ') || 'NOT REACHED' : '';
  const rows = [...Map.groupBy(cells, ({ service, of }) => `${service} | ${of}`)].map(
    ([row, some]) => `| ${row} | ${points.map((point) => text(some.find((one) => one.point === point))).join(' | ')} |`,
  );
  return `
## The crash matrix

Each cell is a SIGKILL of the service at that seam, and how long it took until it was ready again.

| service | of | ${points.join(' | ')} |
|---|---|${points.map(() => '---:').join('|')}|
${rows.join('\n')}
`;
}
