import { audit, type Progress } from '@pavane/tools';
import { Client } from 'pg';
import { cpuSecondsOf, cpuSecondsOfAll, rssMbOf } from '../machine.js';
import { quantile } from '../stats.js';
import { Load } from './load.js';
import type { Profile } from './profiles.js';
import { warmUp } from './run.js';
import { Stand } from './stand.js';
import { Stored } from './stored.js';
import { variants } from './variants.js';

const RESTS_WITHIN_MS = 600_000;
const LOOK_EVERY_MS = 500;

/** What the platform is like with so many orders in its databases. */
export interface AtSize {
  stored: number;
  sagasPerSecond: number;
  /** At 20 % of that. */
  p50Ms: number;
  p99Ms: number;
  /** CPU seconds for 1,000 sagas, of services, broker and database. */
  cpuPer1000: number;
}

/** How the platform works off so many events that waited for one service. */
export interface WorkedOff {
  backlog: number;
  /** Orders accepted a second while nobody took their events. */
  acceptedPerSecond: number;
  /** Orders ended a second once somebody did. */
  endedPerSecond: number;
  /** The same until the last customer was told. */
  settledPerSecond: number;
  /** The most memory each service held meanwhile, in MB. */
  rssMb: Record<string, number>;
}

export interface Growth {
  stored: AtSize[];
  backlog: WorkedOff[];
}

export interface GrowthOptions {
  /** Orders stored in the end. */
  stored: number;
  /** Orders that wait in the end. */
  backlog: number;
  seconds: number;
  inFlight: number;
  progress: Progress;
}

/** Measures whether the product costs more when more is stored, and more when more waits. */
export async function measureGrowth(profile: Profile, options: GrowthOptions): Promise<Growth> {
  const { progress } = options;
  const backlog: WorkedOff[] = [];
  for (const events of [options.backlog / 20, options.backlog / 4, options.backlog].map(Math.ceil))
    backlog.push(
      await progress(`${events} orders wait for payment, and are worked off`, () =>
        onNewStand(profile, (stand, load) => workOff(stand, load, events)),
      ),
    );
  const stored = await onNewStand(profile, async (stand, load) => {
    const shelves = new Stored(stand, options.stored);
    const sizes: AtSize[] = [];
    for (const size of [options.stored / 100, options.stored / 10, options.stored].map(Math.ceil)) {
      await progress(`${size} orders are stored`, () => shelves.upTo(size));
      sizes.push(await progress(`sagas beside ${size} stored orders`, () => atSize(stand, load, size, options)));
    }
    return sizes;
  });
  return { stored, backlog };
}

async function onNewStand<T>(profile: Profile, work: (stand: Stand, load: Load) => Promise<T>): Promise<T> {
  const stand = await Stand.start(
    variants.find(({ name }) => name === 'ours')!,
    profile,
  );
  let failed = true;
  try {
    const load = await Load.on(stand.platform.addresses);
    try {
      const result = await work(stand, load);
      failed = false;
      return result;
    } finally {
      await load.close();
    }
  } finally {
    await stand.stop({ keep: failed });
  }
}

async function atSize(stand: Stand, load: Load, stored: number, { seconds, inFlight }: GrowthOptions): Promise<AtSize> {
  await warmUp(stand, load);
  const before = cpuOf(stand);
  const full = await load.closed({ inFlight, seconds });
  const cpu = cpuOf(stand) - before;
  const sagasPerSecond = full.orders / full.seconds;
  const { latenciesMs } = await load.open({ perSecond: sagasPerSecond / 5, seconds });
  await requireRest(stand);
  return {
    stored,
    sagasPerSecond,
    p50Ms: quantile(latenciesMs, 0.5),
    p99Ms: quantile(latenciesMs, 0.99),
    cpuPer1000: (cpu / full.orders) * 1000,
  };
}

async function workOff({ platform }: Stand, load: Load, backlog: number): Promise<WorkedOff> {
  const payment = platform.services.get('payment')!;
  await payment.stop();
  const piled = await load.pile(backlog);
  const rssMb: Record<string, number> = {};
  const look = () => {
    for (const [name, { pid }] of platform.services) rssMb[name] = Math.max(rssMb[name] ?? 0, rssMbOf(pid!));
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  try {
    await payment.start();
    const started = performance.now();
    const perSecond = (lastAt: number) => (backlog / (lastAt - started)) * 1000;
    const endedPerSecond = perSecond(await piled.ended);
    const settledPerSecond = perSecond(await piled.told);
    look();
    const { ok, invariants } = await audit(platform.addresses, {
      withinMs: RESTS_WITHIN_MS,
      accepted: load.accepted,
    });
    if (!ok) throw new Error(invariants.flatMap(({ holds, detail }) => (holds ? [] : [detail])).join('; '));
    return {
      backlog,
      acceptedPerSecond: backlog / piled.seconds,
      endedPerSecond,
      settledPerSecond,
      rssMb,
    };
  } finally {
    clearInterval(timer);
  }
}

/** CPU seconds used so far by all that the product consists of. */
function cpuOf({ processes: { provider: _provider, mail: _mail, load: _load, ...product } }: Stand): number {
  return Object.entries(product).reduce(
    (sum, [name, pid]) => sum + (name === 'postgres' ? cpuSecondsOfAll(pid) : cpuSecondsOf(pid)),
    0,
  );
}

/** What is stored was never charged or mailed, so the audit would find much; this looks at what was added. */
async function requireRest({ platform }: Stand): Promise<void> {
  const client = new Client({ connectionString: platform.addresses.databases.order });
  await client.connect();
  try {
    const { rows } = await client.query<{ pending: number; resaid: number }>(
      `SELECT (SELECT count(*)::int FROM orders WHERE status = 'pending') AS pending,
        (SELECT count(*)::int FROM orders WHERE echo_due_at IS NOT NULL AND resaid > 0) AS resaid`,
    );
    const { pending, resaid } = rows[0]!;
    if (pending + resaid > 0) throw new Error(`${pending} orders have not ended, ${resaid} had to be said again`);
  } finally {
    await client.end();
  }
}
