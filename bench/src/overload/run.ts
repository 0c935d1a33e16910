import { audit } from '@pavane/tools';
import { Load } from '../saga/load.js';
import { profiles } from '../saga/profiles.js';
import { warmUp } from '../saga/run.js';
import { Stand } from '../saga/stand.js';
import { variants } from '../saga/variants.js';
import { median, quantile } from '../stats.js';
import { Crowd, type Customer } from './crowd.js';

/** Longer than a saga takes by far, and short enough to be missed by whoever waits behind a crowd. */
export const DEADLINE_SECONDS = 30;
/** How many times the capacity customers ask for. */
export const FACTORS = [2, 5] as const;
/** Of the capacity: what comes before an overload, and after it. */
const CALM = 0.5;
const AFTERMATH_SECONDS = 15;
const IN_FLIGHT = 256;
const RESTS_WITHIN_MS = 180_000;

/** One round. */
export interface Run {
  /** Orders confirmed a second, one that ends making room for the next; before, between and after the overloads. */
  capacities: number[];
  /** At half of the capacity, before any overload. */
  calm: { p50Ms: number; p99Ms: number };
  overloads: Overload[];
  /** What the audit at the end found wrong. */
  broken: string[];
}

/** What became of the customers of one overload. */
export interface Overload {
  factor: number;
  came: number;
  accepted: number;
  /** How often somebody was turned away. */
  refusals: number;
  /** Of those accepted, the share that was confirmed. */
  confirmed: number;
  /** From the first try that was not turned away until the ending. */
  p50Ms: number;
  p99Ms: number;
  /** From the captured payment until the ending, the median. */
  capturedMs: number;
  /** Orders confirmed a second while it lasted. */
  perSecond: number;
  /** The same as a share of the capacity right before and right after it. */
  goodput: number;
  /**
   * Seconds after the overload from which on customers, who then come at half of the capacity, are accepted at once and
   * served as before it (of each second, half of them as fast as 99 % were then); Infinity when that did not come.
   */
  recovery: number;
}

/** Measures once, on a platform of its own. */
export async function measureOverload(seconds: number): Promise<Run> {
  const ours = variants.find(({ name }) => name === 'ours')!;
  const stand = await Stand.start(ours, profiles.r1, {}, `${DEADLINE_SECONDS}s`);
  let failed = true;
  try {
    const { addresses } = stand.platform;
    const load = await Load.on(addresses);
    const crowd = await Crowd.before(addresses);
    try {
      await warmUp(stand, load);
      const capacity = async () => {
        const full = await load.closed({ inFlight: IN_FLIGHT, seconds });
        return full.orders / full.seconds;
      };
      const capacities = [await capacity()];
      const calm = latenciesOf(await settled(crowd, { perSecond: capacities[0]! * CALM, seconds }), crowd);
      const normalMs = quantile(calm, 0.99);
      const overloads: Overload[] = [];
      for (const factor of FACTORS) {
        const before = capacities.at(-1)!;
        const overload = await overloaded(crowd, { factor, capacity: before, normalMs, seconds: seconds * 2 });
        capacities.push(await capacity());
        overloads.push({ ...overload, goodput: overload.perSecond / ((before + capacities.at(-1)!) / 2) });
      }
      const { invariants } = await audit(addresses, { withinMs: RESTS_WITHIN_MS });
      const broken = invariants.filter(({ holds }) => !holds).map(({ name, detail }) => `${name}: ${detail}`);
      failed = false;
      return { capacities, calm: { p50Ms: quantile(calm, 0.5), p99Ms: normalMs }, overloads, broken };
    } finally {
      await crowd.leave();
      await load.close();
    }
  } catch (error) {
    throw new Error(`${(error as Error).message} (logs and data are in ${stand.dir})`, { cause: error });
  } finally {
    await stand.stop({ keep: failed });
  }
}

async function settled(crowd: Crowd, load: { perSecond: number; seconds: number }): Promise<Customer[]> {
  const customers = await crowd.come(load);
  await crowd.ended(customers, DEADLINE_SECONDS * 3000);
  return customers;
}

async function overloaded(
  crowd: Crowd,
  { factor, capacity, normalMs, seconds }: { factor: number; capacity: number; normalMs: number; seconds: number },
): Promise<Omit<Overload, 'goodput'>> {
  const start = performance.now();
  const during = await crowd.come({ perSecond: capacity * factor, seconds });
  const end = performance.now();
  const after = await settled(crowd, { perSecond: capacity * CALM, seconds: AFTERMATH_SECONDS });
  await crowd.ended(during, DEADLINE_SECONDS * 3000);
  const accepted = during.flatMap(({ order }) => order?.id ?? []);
  const confirmedIn = [...crowd.endings.values()].filter(({ at, confirmed }) => confirmed && at >= start && at < end);
  const latencies = latenciesOf(during, crowd);
  const waits = accepted.flatMap((id) => {
    const captured = crowd.captured.get(id);
    return captured === undefined ? [] : [crowd.endings.get(id)!.at - captured];
  });
  return {
    factor,
    came: during.length,
    accepted: accepted.length,
    refusals: during.reduce((sum, { turnedAway }) => sum + turnedAway, 0),
    confirmed: accepted.filter((id) => crowd.endings.get(id)!.confirmed).length / accepted.length,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
    capturedMs: waits.length > 0 ? median(waits) : 0,
    perSecond: confirmedIn.length / ((end - start) / 1000),
    recovery: recoveryOf(after, crowd, end, normalMs),
  };
}

/** From POST to ending of all who got an order; of those who were turned away before, from when they were let in. */
function latenciesOf(customers: readonly Customer[], { endings }: Crowd): number[] {
  return customers.flatMap(({ cameAt, turnedAway, order }) =>
    order ? [endings.get(order.id)!.at - (turnedAway > 0 ? order.acceptedAt : cameAt)] : [],
  );
}

function recoveryOf(customers: readonly Customer[], crowd: Crowd, end: number, normalMs: number): number {
  let recovered = Infinity;
  for (let second = AFTERMATH_SECONDS - 1; second >= 0; second--) {
    const these = customers.filter(({ cameAt }) => Math.floor((cameAt - end) / 1000) === second);
    if (these.length === 0) continue;
    const atOnce = these.every(({ turnedAway, order }) => turnedAway === 0 && order);
    if (!atOnce || median(latenciesOf(these, crowd)) > normalMs) return recovered;
    recovered = second;
  }
  return recovered;
}
