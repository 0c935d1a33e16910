import type { Outcome } from './release.js';

/** What was admitted, by kind and values file, and what was not. */
export function reportOf(outcomes: readonly Outcome[]): string {
  const label = ({ kind, child }: Outcome['admitted'][number]) => (child ? `${kind}, of a template` : kind);
  const labels = [...new Set(outcomes.flatMap(({ admitted }) => admitted.map(label)))].toSorted();
  const rows = [
    ['admitted', ...outcomes.map(({ values }) => values)],
    ...labels.map((kind) => [
      kind,
      ...outcomes.map(({ admitted }) => `${admitted.filter((document) => label(document) === kind).length || '-'}`),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return [
    ...rows.map(
      (row) => `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('   ')}`,
    ),
    '',
    ...outcomes.flatMap(({ values, steps, problems }) => [
      `  ${problems.length === 0 ? '✔' : '✘'} ${values}: ${steps.join(', ') || 'nothing'} done`,
      ...problems.map(({ step, object, message }) => `      ${step}: ${object}: ${message}`),
    ]),
  ].join('\n');
}
