import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { quantile } from '../stats.js';
import { eventOf, nowUs, type Publisher } from './contender.js';

export interface Published {
  /** The number after the last one. */
  to: number;
  startedUs: number;
}

export interface Asked {
  perSecond: number;
  count: number;
  p50Ms: number;
  p99Ms: number;
}

/** The load a publisher is put under: the same loops, whoever publishes. */
export class Load {
  constructor(private readonly publisher: Publisher) {}

  /** Keeps `atOnce` events unconfirmed for so long. */
  async burst(from: number, atOnce: number, seconds: number): Promise<Published> {
    const startedUs = nowUs();
    const end = performance.now() + seconds * 1_000;
    let n = from;
    await inParallel(atOnce, async () => {
      while (performance.now() < end) await this.publisher.publish(eventOf(n++, nowUs()));
    });
    return { to: n, startedUs };
  }

  async store(from: number, atOnce: number, count: number): Promise<Published> {
    const startedUs = nowUs();
    let n = from;
    await inParallel(atOnce, async () => {
      while (n < from + count) await this.publisher.publish(eventOf(n++, nowUs()));
    });
    return { to: n, startedUs };
  }

  /** Publishes at a fixed rate whatever becomes of it, so that a stall is seen by everyone who comes during it. */
  async steady(from: number, perSecond: number, seconds: number): Promise<Published> {
    const startedUs = nowUs();
    const published: Promise<unknown>[] = [];
    for (let i = 0; i < perSecond * seconds; i++) {
      const dueUs = startedUs + (i * 1_000_000) / perSecond;
      await until(dueUs);
      published.push(this.publisher.publish(eventOf(from + i, dueUs)));
    }
    await Promise.all(published);
    return { to: from + published.length, startedUs };
  }

  /** Keeps `atOnce` requests unanswered for so long. */
  async ask(atOnce: number, seconds: number): Promise<Asked> {
    const started = performance.now();
    const latencies: number[] = [];
    let n = 0;
    await inParallel(atOnce, async () => {
      while (performance.now() < started + seconds * 1_000) {
        const [asked, at] = [n++, performance.now()];
        const answered = await this.publisher.request(asked);
        if (answered !== asked) throw new Error(`request ${asked} got the answer to ${answered}`);
        latencies.push(performance.now() - at);
      }
    });
    const elapsed = (performance.now() - started) / 1_000;
    const [p50Ms, p99Ms] = [quantile(latencies, 0.5), quantile(latencies, 0.99)];
    return { perSecond: latencies.length / elapsed, count: latencies.length, p50Ms, p99Ms };
  }
}

async function inParallel(count: number, work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, work));
}

/** Timers come up to a millisecond late, which is more than some of the latencies measured: the last bit is spun. */
async function until(dueUs: number): Promise<void> {
  for (let left = dueUs - nowUs(); left > 0; left = dueUs - nowUs()) await (left > 1_500 ? delay(1) : turn());
}
