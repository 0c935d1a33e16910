import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@pavane/tools';
import { figureOf } from './figure.js';
import { machineLine } from './machine.js';
import { barPlot, type Panel } from './plot.js';
import type { SagaReport } from './saga/index.js';
import { type ProfileName, profiles } from './saga/profiles.js';
import type { ProfileReport } from './saga/report.js';
import type { TransportReport } from './transport/index.js';

const RESULTS = join(ROOT, 'bench/results');
const PLOT = join(ROOT, 'docs/performance.svg');

/** Writes a report beside the benchmarks, for whoever compares with it later; returns where. */
export function writeResult(name: string, report: object): string {
  const file = join(RESULTS, `${name}.json`);
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(file, `${JSON.stringify({ at: new Date().toISOString(), ...report }, null, 2)}\n`);
  return file;
}

/** Draws what was measured; returns where. */
export function writePlot(saga: SagaReport, transport: TransportReport): string {
  const { rounds } = saga.settings;
  const footnote = `Medians of ${rounds} interleaved rounds with 95 % confidence; ${machineLine(saga.machine)}`;
  writeFileSync(PLOT, barPlot([throughputOf(saga), latencyOf(saga), eventsOf(transport)], footnote));
  return PLOT;
}

const each = <T>(saga: SagaReport, of: (name: ProfileName, profile: ProfileReport) => T): T[] =>
  (Object.entries(saga.profiles) as [ProfileName, ProfileReport][]).map(([name, profile]) => of(name, profile));

const throughputOf = (saga: SagaReport): Panel => ({
  title: 'Sagas a second, from POST to the ending',
  groups: each(saga, (name, { variants }) => ({
    label: labelOf(name),
    bars: Object.entries(variants).map(([label, { sagasPerSecond }]) => ({
      label,
      ...sagasPerSecond,
      ours: label === 'ours',
    })),
  })),
});

const latencyOf = (saga: SagaReport): Panel => ({
  title: 'Milliseconds from POST to the ending, ours',
  groups: each(saga, (name, { variants: { ours } }) => ({
    label: labelOf(name),
    bars: Object.entries(ours?.latency ?? {}).flatMap(([load, { p50Ms, p99Ms }]) => [
      { label: `p50 at ${load} %`, median: p50Ms, ours: true },
      { label: `p99 at ${load} %`, median: p99Ms, ours: true },
    ]),
  })),
});

const labelOf = (name: ProfileName): string =>
  `${name}: ${profiles[name].replicas} nats-server${profiles[name].replicas > 1 ? 's, synced' : ''}`;

const eventsOf = ({ contenders }: TransportReport): Panel => ({
  title: 'Events a second: published, handled and acknowledged, 256 on their way',
  groups: [
    {
      label: 'the transport alone',
      bars: contenders.map(({ name, rounds }) => ({
        label: name,
        ...figureOf(rounds.map(({ events }) => events.perSecond)),
        ours: name === 'ours',
      })),
    },
  ],
});
