import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { Progress } from '@pavane/tools';
import { describeMachine } from '../machine.js';
import { startBroker } from './broker.js';
import { type Entry, OWN } from './entries.js';
import { findPeers, type Skipped } from './peers.js';
import { reportOf, type TransportReport } from './report.js';
import { type Figures, turnOf } from './turn.js';

export type { TransportReport } from './report.js';
export { describeTransport } from './table.js';

export interface TransportOptions {
  /** How often all take turns. */
  rounds: number;
  /** How long a phase of a turn lasts; a turn is about five times that, and two seconds to start. */
  seconds: number;
  /** Whether the peers take part; they are installed when they are not. */
  peers: boolean;
  progress: Progress;
}

/**
 * Measures the transport beside the bare client and the peers, who take turns, each time on a new broker and in new
 * processes. Rejects when ours or the bare loop does not handle each event exactly once; a peer that fails is skipped
 * from then on, with the reason.
 */
export async function benchTransport({ rounds, seconds, peers, progress }: TransportOptions): Promise<TransportReport> {
  if (!existsSync('/proc/self/stat'))
    throw new Error('The CPU time of processes is read from /proc, which this system does not have. Run it on Linux.');
  const found = peers ? await findPeers(progress) : { entries: [], skipped: [] };
  const skipped: Skipped[] = [...found.skipped];
  const figures = new Map<Entry, Figures[]>([...OWN, ...found.entries].map((entry) => [entry, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [entry, measured] of figures) {
      try {
        measured.push(await progress(`round ${round} of ${rounds}: ${entry.name}`, () => onBroker(entry, seconds)));
      } catch (error) {
        const reason = `in round ${round}: ${(error as Error).message}`;
        if (OWN.includes(entry)) throw new Error(`'${entry.name}' failed ${reason}`, { cause: error });
        skipped.push({ name: entry.name, reason });
        figures.delete(entry);
      }
    }
  }
  return reportOf(figures, { skipped, settings: { rounds, seconds }, machine: describeMachine(tmpdir()) });
}

async function onBroker(entry: Entry, seconds: number): Promise<Figures> {
  await using broker = await startBroker(entry.broker);
  // Not without `await`: the broker would be gone before the turn has begun.
  return await turnOf(entry, broker, seconds);
}
