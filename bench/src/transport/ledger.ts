import { quantile } from '../stats.js';
import { type Measured, nowUs } from './contender.js';

/** Longer than the `ack_wait` of anybody here: what has not come by then does not come. */
const SILENCE_MS = 40_000;

/** Counts each event by its number, so that none is lost or doubled unnoticed. */
export class Ledger {
  private counts = new Uint8Array(1 << 16);
  private from = 0;
  private distinct = 0;
  private lastUs = 0;
  private latencies: number[] = [];
  private awaited: { distinct: number; resolve: () => void } | undefined;

  /** What comes from now on is looked at together. */
  watch(from: number): void {
    this.from = from;
    this.distinct = 0;
    this.latencies = [];
  }

  hear({ n, dueUs }: Measured): void {
    if (n >= this.counts.length) this.grow(n);
    this.counts[n]!++;
    if (this.counts[n] !== 1 || n < this.from) return;
    this.lastUs = nowUs();
    this.latencies.push(this.lastUs - dueUs);
    if (++this.distinct === this.awaited?.distinct) this.awaited.resolve();
  }

  /**
   * Resolves to when the last one was heard, once every event up to `to` (excluded) was; rejects when none has come for
   * a long time.
   */
  async all(to: number): Promise<number> {
    const distinct = to - this.from;
    if (this.distinct < distinct) await this.until(distinct);
    return this.lastUs;
  }

  /** How long it took from when an event was due until it was heard. */
  latency(): { p50Ms: number; p99Ms: number } {
    return { p50Ms: quantile(this.latencies, 0.5) / 1_000, p99Ms: quantile(this.latencies, 0.99) / 1_000 };
  }

  /** Rejects when one of the events up to `to` (excluded) was not heard exactly once. */
  audit(to: number): void {
    const counts = Array.from(this.counts.subarray(0, to), (count, n) => ({ n, count }));
    const wrong = counts.filter(({ count }) => count !== 1);
    if (wrong.length === 0) return;
    const some = wrong.slice(0, 5).map(({ n, count }) => `event ${n} ${count} times`);
    throw new Error(`${wrong.length} of ${to} events were not handled exactly once: ${some.join(', ')}`);
  }

  private until(distinct: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let before = -1;
      const look = setInterval(() => {
        if (this.distinct === before)
          end(() => reject(new Error(`${distinct - this.distinct} of ${distinct} events were never handled`)));
        before = this.distinct;
      }, SILENCE_MS);
      const end = (settle: () => void) => {
        clearInterval(look);
        this.awaited = undefined;
        settle();
      };
      this.awaited = { distinct, resolve: () => end(resolve) };
    });
  }

  private grow(n: number): void {
    const grown = new Uint8Array(Math.max(n + 1, this.counts.length * 2));
    grown.set(this.counts);
    this.counts = grown;
  }
}
