import type { Machine } from '../machine.js';
import { type Figure, figureOf, rounded } from '../figure.js';
import { median, quantile } from '../stats.js';
import type { Growth } from './growth.js';
import type { ProfileName } from './profiles.js';
import { type LoadPercent, LOADS, type Run } from './run.js';
import type { VariantName } from './variants.js';

/** From POST to the ending, over the orders of all rounds. */
export interface Latency {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  orders: number;
}

/** A variant on a profile; single figures are medians over the rounds. */
export interface VariantReport {
  sagasPerSecond: Figure;
  /** Until the last customer was told, and not only until the last order had ended. */
  settledPerSecond: number;
  latency: Record<LoadPercent, Latency>;
  /** CPU seconds for 1,000 sagas at full load. */
  cpuPer1000: Record<string, number>;
  rssAtRestMb: Record<string, number>;
  rssAfterMb: Record<string, number>;
  startSeconds: number;
  /** Orders that were placed and audited. */
  audited: number;
}

export interface ProfileReport {
  variants: Partial<Record<VariantName, VariantReport>>;
  /** Sagas a second of ours over theirs, compared within each round. */
  ratios: { textbook?: Figure; floor?: Figure };
}

/** What `--json` prints: the figures of the product on the most durable profile that was measured, and all the rest. */
export interface SagaReport {
  sagasPerSecond?: number;
  /** At 20 % of the capacity. */
  p50Ms?: number;
  p99Ms?: number;
  ratios: { textbook?: number; floor?: number };
  headline: ProfileName;
  profiles: Partial<Record<ProfileName, ProfileReport>>;
  growth?: Growth;
  settings: { rounds: number; seconds: number; inFlight: number };
  machine: Machine;
}

type Runs = ReadonlyMap<ProfileName, ReadonlyMap<VariantName, readonly Run[]>>;

export function summaryOf(
  runs: Runs,
  { machine, growth, ...settings }: SagaReport['settings'] & Pick<SagaReport, 'machine' | 'growth'>,
): SagaReport {
  const reports = Object.fromEntries([...runs].map(([name, byVariant]) => [name, profileOf(byVariant)] as const));
  const headline: ProfileName = runs.has('r3') ? 'r3' : 'r1';
  const { variants, ratios } = reports[headline]!;
  const { ours } = variants;
  return {
    ...(ours && {
      sagasPerSecond: ours.sagasPerSecond.median,
      p50Ms: ours.latency[20].p50Ms,
      p99Ms: ours.latency[20].p99Ms,
    }),
    ratios: Object.fromEntries(Object.entries(ratios).map(([to, { median: middle }]) => [to, middle])),
    headline,
    profiles: reports,
    ...(growth && { growth }),
    settings,
    machine,
  };
}

function profileOf(byVariant: ReadonlyMap<VariantName, readonly Run[]>): ProfileReport {
  const ours = byVariant.get('ours');
  const ratios = [...byVariant].flatMap(([name, theirs]) => {
    if (!ours || name === 'ours') return [];
    const byRound = ours.map((run, round) => run.sagasPerSecond / theirs[round]!.sagasPerSecond);
    return [[name, figureOf(byRound, 3)] as const];
  });
  return {
    variants: Object.fromEntries([...byVariant].map(([name, all]) => [name, variantOf(all)])),
    ratios: Object.fromEntries(ratios),
  };
}

function variantOf(runs: readonly Run[]): VariantReport {
  const middle = (of: (run: Run) => number, digits = 1) => rounded(median(runs.map(of)), digits);
  const byProcess = (of: (run: Run) => Record<string, number>, digits: number) =>
    Object.fromEntries(Object.keys(of(runs[0]!)).map((name) => [name, middle((run) => of(run)[name]!, digits)]));
  return {
    sagasPerSecond: figureOf(runs.map((run) => run.sagasPerSecond)),
    settledPerSecond: middle((run) => run.settledPerSecond),
    latency: Object.fromEntries(LOADS.map((load) => [load, latencyOf(runs, load)])) as VariantReport['latency'],
    cpuPer1000: byProcess((run) => run.cpuPer1000, 3),
    rssAtRestMb: byProcess((run) => run.rssAtRestMb, 0),
    rssAfterMb: byProcess((run) => run.rssAfterMb, 0),
    startSeconds: middle((run) => run.startSeconds),
    audited: runs.reduce((sum, { audited }) => sum + audited, 0),
  };
}

function latencyOf(runs: readonly Run[], load: LoadPercent): Latency {
  const all = runs.flatMap(({ latency }) => latency[load].latenciesMs);
  return {
    perSecond: rounded(median(runs.map(({ latency }) => latency[load].perSecond))),
    p50Ms: rounded(quantile(all, 0.5)),
    p99Ms: rounded(quantile(all, 0.99)),
    p999Ms: rounded(quantile(all, 0.999)),
    orders: all.length,
  };
}
