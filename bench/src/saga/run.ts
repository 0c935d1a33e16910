import { type Audit, audit } from '@pavane/tools';
import { cpuSecondsOf, cpuSecondsOfAll, rssMbOf } from '../machine.js';
import { Load } from './load.js';
import type { Profile } from './profiles.js';
import { Stand } from './stand.js';
import type { Variant } from './variants.js';

/** The shares of the measured capacity at which latency is taken. */
export const LOADS = [20, 70] as const;
export type LoadPercent = (typeof LOADS)[number];
/** After so long V8 has compiled nearly all it ever will, with some orders only: cold, a platform would choke on more. */
const WARM_UP_SECONDS = 45;
const WARM_UP_IN_FLIGHT = 64;
const RESTS_WITHIN_MS = 60_000;

export interface RunOptions {
  /** How long each of the measurements lasts. */
  seconds: number;
  /** Orders that are on their way at a time while capacity is measured. */
  inFlight: number;
  /** Ends the measurement of capacity early. */
  orders: number | undefined;
}

/** What one measurement of one variant came to. */
export interface Run {
  /** Orders ended a second, from the first POST to the last ending. */
  sagasPerSecond: number;
  /** The same until the last customer was told. */
  settledPerSecond: number;
  /** Per share of the capacity: the rate, and from POST to ending in milliseconds, sorted. */
  latency: Record<LoadPercent, { perSecond: number; latenciesMs: number[] }>;
  /** CPU seconds for 1,000 sagas at full load, by process. */
  cpuPer1000: Record<string, number>;
  /** MB by process: ready, before the first order. */
  rssAtRestMb: Record<string, number>;
  /** MB by process: after all orders, at rest again. */
  rssAfterMb: Record<string, number>;
  startSeconds: number;
  /** Orders that were placed in all, every one of them audited. */
  audited: number;
}

/** Measures a variant once, on a platform of its own. Rejects when the platform does not keep its promises. */
export async function measure(variant: Variant, profile: Profile, options: RunOptions): Promise<Run> {
  const stand = await Stand.start(variant, profile);
  let failed = true;
  try {
    const load = await Load.on(stand.platform.addresses);
    try {
      const run = await measured(stand, load, options);
      failed = false;
      return run;
    } finally {
      await load.close();
    }
  } catch (error) {
    throw new Error(
      `${variant.name} on ${profile.name}: ${(error as Error).message} (logs and data are in ${stand.dir})`,
      { cause: error },
    );
  } finally {
    await stand.stop({ keep: failed });
  }
}

async function measured(stand: Stand, load: Load, { seconds, inFlight, orders }: RunOptions): Promise<Run> {
  const { processes } = stand;
  const each = (of: (pid: number, name: string) => number): Record<string, number> =>
    Object.fromEntries(Object.entries(processes).map(([name, pid]) => [name, of(pid, name)]));
  // PostgreSQL is a process for each connection; everybody else is one.
  const cpu = (pid: number, name: string) => (name === 'postgres' ? cpuSecondsOfAll(pid) : cpuSecondsOf(pid));

  const rssAtRestMb = each(rssMbOf);
  await warmUp(stand, load, orders);

  const before = each(cpu);
  const full = await load.closed({ inFlight, seconds, ...(orders && { orders }) });
  const after = each(cpu);
  const sagasPerSecond = full.orders / full.seconds;
  const per1000 = ([name, used]: [string, number]) => [name, ((used - before[name]!) / full.orders) * 1000] as const;

  const latency: Partial<Run['latency']> = {};
  for (const percent of LOADS) {
    const perSecond = (sagasPerSecond * percent) / 100;
    const { latenciesMs } = await load.open({ perSecond, seconds });
    latency[percent] = { perSecond, latenciesMs };
  }
  await requireSound(stand, load);
  return {
    sagasPerSecond,
    settledPerSecond: full.orders / full.settledSeconds,
    latency: latency as Run['latency'],
    cpuPer1000: Object.fromEntries(Object.entries(after).map(per1000)),
    rssAtRestMb,
    rssAfterMb: each(rssMbOf),
    startSeconds: stand.startSeconds,
    audited: load.accepted.length,
  };
}

/** Brings a platform to where one is that runs for days: its code compiled, and its tables vacuumed and analyzed. */
export async function warmUp(stand: Stand, load: Load, orders?: number): Promise<void> {
  await load.closed({ inFlight: WARM_UP_IN_FLIGHT, seconds: WARM_UP_SECONDS, ...(orders && { orders }) });
  // Autovacuum would come within a minute; before it did, plans are those for empty tables.
  await stand.inEachDatabase((client) => client.query('VACUUM ANALYZE'));
}

/** Nobody is fast by losing orders. */
async function requireSound({ platform }: Stand, { accepted }: Load): Promise<void> {
  const { ok, invariants }: Audit = await audit(platform.addresses, { withinMs: RESTS_WITHIN_MS, accepted });
  const broken = invariants.filter(({ holds }) => !holds).map(({ name, detail }) => `${name}: ${detail}`);
  if (!ok) throw new Error(`the audit found that ${broken.join('; ')}`);
  const died = [...platform.services].filter(([, { deaths }]) => deaths > 0).map(([name]) => name);
  if (died.length > 0) throw new Error(`${died.join(' and ')} died unasked and had to be started again`);
}
