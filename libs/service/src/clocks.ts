import type { OnApplicationBootstrap, OnModuleDestroy } from '@nestjs/common';
import { metrics } from '@opentelemetry/api';
import { RetryLater } from '@pavane/jetstream';

/**
 * How far this process's clock may be from those of its database and its broker, in milliseconds. Clocks that are kept
 * in time (NTP) differ by thousandths of it. Two services that keep it are at most twice as far apart, by the broker they
 * share: that much of an order's deadline may be lost to clocks, and it is a small part of one that customers wait for.
 */
export const CLOCK_TOLERANCE_MS = 5_000;

/** Between two comparisons, in milliseconds. */
const EVERY_MS = 2_000;

/** What a clock was found to be, compared with this process's. */
export interface Comparison {
  /** By how much this process's clock is ahead, in milliseconds. */
  aheadMs: number;
  /** By how much that may be wrong, since it took time to ask. */
  errorMs: number;
}

/** Compares a clock, asked for its time in milliseconds since 1970; undefined when it has none to say. */
export async function compare(ask: () => Promise<number | undefined>): Promise<Comparison | undefined> {
  const [asked, started] = [Date.now(), performance.now()];
  const theirs = await ask();
  const errorMs = (performance.now() - started) / 2;
  return theirs === undefined ? undefined : { aheadMs: asked + errorMs - theirs, errorMs };
}

type Peer = 'database' | 'broker';

/**
 * Whether this process knows what time it is, judged by the clocks of its database and its broker. A peer that cannot be
 * asked is left out: that it is away is said elsewhere.
 */
export class Clocks implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly found = new Map<Peer, Comparison>();
  private comparing: Promise<unknown> | undefined;
  private hasCompared = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly peers: Record<Peer, () => Promise<Comparison | undefined>>) {
    metrics
      .getMeter('@pavane/service')
      .createObservableGauge('clock_skew_seconds', {
        description: "How far this process's clock is ahead of the peer's",
      })
      .addCallback((result) => {
        for (const [peer, { aheadMs }] of this.found) result.observe(aheadMs / 1000, { peer });
      });
  }

  /** Compares before anything can come in, unless there is nobody to compare with. */
  async onApplicationBootstrap(): Promise<void> {
    await this.refresh();
    this.timer = setInterval(() => void this.refresh(), EVERY_MS).unref();
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  /** Compares again. Never rejects. */
  async refresh(): Promise<void> {
    this.comparing ??= Promise.all([this.compareTo('database'), this.compareTo('broker')]).finally(
      () => (this.comparing = undefined),
    );
    await this.comparing;
  }

  /** One sentence for each clock that is too far away, as of the last comparison. */
  get problems(): string[] {
    return [...this.found].flatMap(([peer, { aheadMs, errorMs }]) => {
      if (Math.abs(aheadMs) - errorMs <= CLOCK_TOLERANCE_MS) return [];
      const seconds = `${(Math.abs(aheadMs) / 1000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'}`;
      return `it is ${seconds} that of the ${peer}, and ${CLOCK_TOLERANCE_MS / 1000} s are allowed; set both by NTP`;
    });
  }

  /**
   * The time to decide by, as of the last comparison.
   * @throws RetryLater before the first one, and while a clock is too far away: a deadline would be missed that is not over
   */
  now(): Date {
    if (!this.hasCompared) {
      void this.refresh();
      throw new RetryLater('The clock cannot be trusted yet: it is being compared with those of database and broker.');
    }
    const [problem] = this.problems;
    if (problem !== undefined) throw new RetryLater(`The clock cannot be trusted: ${problem}.`);
    return new Date();
  }

  private async compareTo(peer: Peer): Promise<void> {
    const comparison = await this.peers[peer]().catch(() => undefined);
    if (comparison) {
      this.found.set(peer, comparison);
      this.hasCompared = true;
    } else this.found.delete(peer);
  }
}
