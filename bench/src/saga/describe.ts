import { machineLine } from '../machine.js';
import type { Growth } from './growth.js';
import { type ProfileName, profiles } from './profiles.js';
import type { ProfileReport, SagaReport, VariantReport } from './report.js';
import { LOADS } from './run.js';
import { notStored } from './stored.js';
import { limits, type VariantName } from './variants.js';

/** Of a column: room for the figures of seven rounds. */
const WIDTH = 30;

/** The report as a person likes to read it. */
export function describeSaga(report: SagaReport): string {
  const { settings, machine } = report;
  return [
    `  ${machineLine(machine)}`,
    `  ${settings.rounds} rounds in turns; capacity with ${settings.inFlight} orders on their way, ${settings.seconds} s a measurement`,
    ...limits.map((limit) => `  ${limit}`),
    ...(Object.entries(report.profiles) as [ProfileName, ProfileReport][]).flatMap(([name, profile]) => [
      '',
      `  ${name}: ${profiles[name].about}`,
      ...describeProfile(profile),
    ]),
    ...(report.growth ? ['', ...describeGrowth(report.growth)] : []),
  ].join('\n');
}

function describeProfile({ variants, ratios }: ProfileReport): string[] {
  const each = Object.entries(variants) as [VariantName, VariantReport][];
  const line = (label: string, of: (variant: VariantReport) => string) =>
    `    ${label.padEnd(34)}${each.map(([, variant]) => of(variant).padStart(WIDTH)).join('')}`;
  const processes = [...new Set(each.flatMap(([, { cpuPer1000 }]) => Object.keys(cpuPer1000)))];
  const listed = (label: string, of: (variant: VariantReport) => Record<string, number>, digits: number) =>
    processes.map((name) => line(`${label} ${name}`, (variant) => of(variant)[name]?.toFixed(digits) ?? '–'));
  return [
    `    ${''.padEnd(34)}${each.map(([name]) => name.padStart(WIDTH)).join('')}`,
    line('sagas/s', (v) => v.sagasPerSecond.median.toFixed(1)),
    line('  with 95 % confidence', (v) => v.sagasPerSecond.interval.map((figure) => figure.toFixed(0)).join(' to ')),
    line('  by round', (v) => v.sagasPerSecond.byRound.map((figure) => figure.toFixed(0)).join(' ')),
    line('until the customer is told', (v) => v.settledPerSecond.toFixed(1)),
    ...LOADS.flatMap((load) => [
      line(`p50/p99/p99.9 at ${load} %, ms`, ({ latency: { [load]: l } }) => `${l.p50Ms}/${l.p99Ms}/${l.p999Ms}`),
      line('  orders a second', ({ latency: { [load]: l } }) => `${l.perSecond}`),
    ]),
    ...listed('CPU s per 1,000:', (v) => v.cpuPer1000, 2),
    ...listed('RSS at rest, MB:', (v) => v.rssAtRestMb, 0),
    ...listed('RSS after, MB:', (v) => v.rssAfterMb, 0),
    line('start, s', (v) => v.startSeconds.toFixed(1)),
    line('orders audited', (v) => `${v.audited}`),
    ...Object.entries(ratios).map(
      ([to, { median, byRound }]) => `    ours is ${median} × ${to} (by round ${byRound.join(', ')})`,
    ),
  ];
}

const describeGrowth = ({ stored, backlog }: Growth): string[] => [
  ...(notStored.length > 0 ? [`  nothing is stored for ${notStored.join(', ')}`] : []),
  ...stored.map(
    ({ stored: orders, sagasPerSecond, p50Ms, p99Ms, cpuPer1000 }) =>
      `  beside ${orders} stored orders: ${sagasPerSecond.toFixed(0)} sagas/s, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, ${cpuPer1000.toFixed(2)} CPU s per 1,000`,
  ),
  ...backlog.map(
    ({ backlog: events, acceptedPerSecond, endedPerSecond, settledPerSecond, rssMb }) =>
      `  a backlog of ${events}: accepted at ${acceptedPerSecond.toFixed(0)}/s, worked off at ${endedPerSecond.toFixed(0)}/s (${settledPerSecond.toFixed(0)}/s until the customers are told), most RSS (MB) ${JSON.stringify(rssMb)}`,
  ),
];
