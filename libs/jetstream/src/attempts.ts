import { Kvm, type KV } from '@nats-io/kv';
import type { JetStreamConnection } from './connection.js';
import { RetryLater } from './errors.js';

/** Throws remembered at once; a message beyond that starts counting anew, which costs it some extra attempts. */
const REMEMBERED = 10_000;

/** Counts, in this process's memory, how often a message was thrown back by a handler. */
export class Throws {
  private readonly counts = new Map<string, number>();

  count(message: string): number {
    return this.counts.get(message) ?? 0;
  }

  add(message: string): number {
    const count = this.count(message) + 1;
    this.counts.delete(message);
    this.counts.set(message, count);
    if (this.counts.size > REMEMBERED) this.counts.delete(this.counts.keys().next().value!);
    return count;
  }

  forget(message: string): void {
    this.counts.delete(message);
  }
}

/**
 * Counts, in a KV bucket and so across restarts, how often a suspect's handler was started without an end being
 * noted: each one is probably a process it took down.
 */
export class Strikes {
  private kv: KV | undefined;

  constructor(
    private readonly connection: JetStreamConnection,
    private readonly bucket: string,
  ) {}

  /** How many starts never came to an end. Throws `RetryLater` when the bucket cannot be read. */
  async count(message: string): Promise<number> {
    return this.reaching(async (kv) => Number((await kv.get(message))?.string() || 0));
  }

  /** Notes a start, before it happens. */
  async note(message: string, count: number): Promise<void> {
    await this.reaching((kv) => kv.put(message, String(count)));
  }

  /** Notes that the start counted last has ended: it did not kill the process. */
  async takeBack(message: string, count: number): Promise<void> {
    await this.reaching<unknown>((kv) => (count > 1 ? kv.put(message, String(count - 1)) : kv.delete(message)));
  }

  private async reaching<T>(use: (kv: KV) => Promise<T>): Promise<T> {
    try {
      this.kv ??= await new Kvm(this.connection.js).open(this.bucket, { allow_direct: true });
      return await use(this.kv);
    } catch (cause) {
      throw new RetryLater(
        `KV bucket '${this.bucket}' cannot be used to count attempts. Run 'npm run topology -- apply' if it is missing.`,
        { cause },
      );
    }
  }
}
