import type { Machine } from '../machine.js';
import { type Interval, median, medianInterval, randomOf } from '../stats.js';
import { type Entry, PEERS } from './entries.js';
import type { Skipped } from './peers.js';
import type { Figures } from './turn.js';

/** The names of the ratios of ours to another's; each is taken within a round. */
type Ratio =
  /** Events a second, 256 on their way, to the bare loop's. */
  | 'bareEvents'
  /** Requests a second to the bare client's: the lower one of the next two. */
  | 'bareRequests'
  | 'bareRequestsAt1'
  | 'bareRequestsAt64'
  /** Events a second of a stored backlog, to the bare loop's. */
  | 'bareBacklog';

type PeerRatio =
  /** Events a second to those of the best peer that keeps them on disk. */
  | 'bestPeerEvents'
  /** The same with ours published by `ClientProxy.emit`, as the peers' are. */
  | 'bestPeerEmit';

/** Figures are medians over the rounds. Without a peer that keeps events on disk there are no ratios to one. */
export interface TransportReport {
  ratios: Record<Ratio, number> & Record<PeerRatio, number | null>;
  /** CPU time of publisher and consumer for one event, ours less the bare loop's, in microseconds. */
  overheadUs: number;
  /** Where the medians lie with 95 % confidence. */
  intervals: Record<Ratio | 'overheadUs', Interval> & Record<PeerRatio, Interval | null>;
  bestPeer: string | null;
  /** In the order of their turns. */
  contenders: Contender[];
  /** Those that were not measured, and why. */
  skipped: Skipped[];
  settings: { rounds: number; seconds: number };
  machine: Machine;
}

export interface Contender {
  name: string;
  about: string;
  /** Whether what the broker has confirmed stays, on disk, until it is acknowledged. */
  durable: boolean;
  median: Figures;
  rounds: Figures[];
}

/** What each came to, a round after the other. */
export type Rounds = ReadonlyMap<Entry, Figures[]>;

/** The same figures give the same intervals. */
const SEED = 1;

export function reportOf(
  rounds: Rounds,
  rest: Pick<TransportReport, 'skipped' | 'settings' | 'machine'>,
): TransportReport {
  const entries = [...rounds.keys()];
  const named = (name: string) => rounds.get(entries.find((entry) => entry.name === name)!)!;
  const [ours, bare, byEmit] = [named('ours'), named('bare'), named('oursByEmit')];
  const best = bestPeer(rounds);
  const peer = best && rounds.get(best)!;

  const random = randomOf(SEED);
  const middle = (figures: number[]) => ({ median: median(figures), interval: medianInterval(figures, random) });
  const ratio = (these: Figures[], those: Figures[], figure: (figures: Figures) => number) =>
    middle(these.map((one, round) => figure(one) / figure(those[round]!)));

  const events = ratio(ours, bare, eventsPerSecond);
  const at1 = ratio(ours, bare, ({ requests }) => requests!.one.perSecond);
  const at64 = ratio(ours, bare, ({ requests }) => requests!.sixtyFour.perSecond);
  const requests = at1.median < at64.median ? at1 : at64;
  const backlog = ratio(ours, bare, (figures) => figures.backlog!.perSecond);
  const peerEvents = peer && ratio(ours, peer, eventsPerSecond);
  const peerEmit = peer && ratio(byEmit, peer, eventsPerSecond);
  const overhead = middle(ours.map((one, round) => clientCpuUs(one) - clientCpuUs(bare[round]!)));
  return {
    ratios: {
      bareEvents: events.median,
      bareRequests: requests.median,
      bestPeerEvents: peerEvents?.median ?? null,
      bareRequestsAt1: at1.median,
      bareRequestsAt64: at64.median,
      bareBacklog: backlog.median,
      bestPeerEmit: peerEmit?.median ?? null,
    },
    overheadUs: overhead.median,
    intervals: {
      bareEvents: events.interval,
      bareRequests: requests.interval,
      bestPeerEvents: peerEvents?.interval ?? null,
      bareRequestsAt1: at1.interval,
      bareRequestsAt64: at64.interval,
      bareBacklog: backlog.interval,
      bestPeerEmit: peerEmit?.interval ?? null,
      overheadUs: overhead.interval,
    },
    bestPeer: best?.name ?? null,
    contenders: entries.map((entry) => {
      const { name, about, durable } = entry;
      return { name, about, durable, median: medianOf(rounds.get(entry)!), rounds: rounds.get(entry)! };
    }),
    ...rest,
  };
}

/** The one with the most events a second; a transport that may lose them does less, so it does not count. */
function bestPeer(rounds: Rounds): Entry | undefined {
  const rate = (entry: Entry) => median(rounds.get(entry)!.map(eventsPerSecond));
  return PEERS.filter((entry) => entry.durable && rounds.has(entry)).toSorted((a, b) => rate(b) - rate(a))[0];
}

const eventsPerSecond = ({ events }: Figures): number => events.perSecond;

/** What the two processes of the application spend on an event. */
export const clientCpuUs = ({ events: { cpuUs } }: Figures): number => cpuUs.publisher + cpuUs.consumer;

/** The median of each figure by itself. All have the same shape. */
function medianOf<T>(all: readonly T[]): T {
  const [first] = all;
  if (typeof first === 'number') return median(all as readonly number[]) as T;
  const keys = Object.keys(first as object) as (keyof T)[];
  return Object.fromEntries(keys.map((key) => [key, medianOf(all.map((one) => one[key]))])) as T;
}
