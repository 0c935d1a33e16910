import { machineLine } from '../machine.js';
import type { Interval } from '../stats.js';
import { clientCpuUs, type Contender, type TransportReport } from './report.js';

/** The report for a reader. */
export function describeTransport(report: TransportReport): string {
  const { ratios, overheadUs, intervals, bestPeer, contenders, skipped, settings, machine } = report;
  const compared = (what: string, median: number | null, interval: Interval | null, digits: number, goal = '') =>
    median === null || interval === null
      ? []
      : [
          `  ${what.padEnd(58)} ${median.toFixed(digits)} (${interval.map((end) => end.toFixed(digits)).join(' to ')})${goal}`,
        ];
  return [
    `  ${machineLine(machine)}; rounds: ${settings.rounds}, seconds a phase: ${settings.seconds}`,
    '',
    ...tableOf(contenders),
    '',
    '  Medians of what ours came to over the other in the same round, with 95 % confidence:',
    ...compared('events/s over the bare loop', ratios.bareEvents, intervals.bareEvents, 2, ', to reach 0.9'),
    ...compared(
      `events/s over ${bestPeer}, the best peer that keeps them`,
      ratios.bestPeerEvents,
      intervals.bestPeerEvents,
      2,
      ', to reach 1.4',
    ),
    ...compared('  the same, published by ClientProxy.emit', ratios.bestPeerEmit, intervals.bestPeerEmit, 2),
    ...compared(
      'requests/s over bare, 1 at a time',
      ratios.bareRequestsAt1,
      intervals.bareRequestsAt1,
      2,
      ', to reach 0.95',
    ),
    ...compared(
      'requests/s over bare, 64 at a time',
      ratios.bareRequestsAt64,
      intervals.bareRequestsAt64,
      2,
      ', to reach 0.95',
    ),
    ...compared('backlog/s over the bare loop', ratios.bareBacklog, intervals.bareBacklog, 2),
    ...compared('CPU time of an event above the bare loop, in µs', overheadUs, intervals.overheadUs, 1),
    '',
    ...contenders.map(({ name, about }) => `  ${name}: ${about}`),
    ...skipped.map(({ name, reason }) => `  skipped ${name}: ${reason}`),
  ].join('\n');
}

function tableOf(contenders: Contender[]): string[] {
  const head = ['', 'events/s', 'client', 'broker', 'p50', 'p99', 'requests/s', 'requests/s', 'backlog/s'];
  const units = ['', '256 at once', 'µs/event', 'µs/event', 'ms, 500/s', 'ms, 500/s', '1 at once', '64 at once', ''];
  const rows = contenders.map(({ name, median }) => {
    const { events, latency, requests, backlog } = median;
    return [
      name,
      whole(events.perSecond),
      clientCpuUs(median).toFixed(1),
      events.cpuUs.broker.toFixed(1),
      latency?.p50Ms.toFixed(2) ?? '',
      latency?.p99Ms.toFixed(2) ?? '',
      requests ? whole(requests.one.perSecond) : '',
      requests ? whole(requests.sixtyFour.perSecond) : '',
      backlog ? whole(backlog.perSecond) : '',
    ];
  });
  const all = [head, units, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all.map((row) => {
    const cells = row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)));
    return `  ${cells.join('  ').trimEnd()}`;
  });
}

const whole = (figure: number): string => Math.round(figure).toLocaleString('en');
