import { JetStreamApiError } from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import type { Attempts } from '../failures/blame.js';
import type { JetStreamConnection } from '../connection/connection.js';
import { RetryLater } from '../errors.js';

/** What the bucket holds of one message. */
interface Entry extends Attempts {
  /** Starts of its handler as a suspect that never came to an end: each one is probably a process it took down. */
  readonly unfinished: number;
}

/** Entries whose messages are remembered, to be removed when they are done with; those beyond that expire. */
const REMEMBERED = 10_000;
/** Tries of a write that others keep getting in the way of. */
const WRITE_TRIES = 8;

/**
 * Counts attempts at a message in a KV bucket: once for all instances, and across restarts. Every method rejects with
 * `RetryLater` when the bucket cannot be used. An entry is named after stream, durable and place in the stream.
 */
export class AttemptLog {
  private kv: KV | undefined;
  /** Messages this process has written an entry for: only theirs have to be removed. */
  private readonly written = new Set<string>();

  constructor(
    private readonly connection: JetStreamConnection,
    private readonly bucket: string,
  ) {}

  /** Notes a start that failed. */
  failed(id: string, now: number): Promise<Attempts> {
    return this.change(id, now, (entry) => ({ ...entry, starts: entry.starts + 1 }));
  }

  /** Notes that a failed start counts against the message. */
  convict(id: string, now: number): Promise<Attempts> {
    return this.change(id, now, (entry) => ({ ...entry, counted: entry.counted + 1 }));
  }

  /** Starts that never came to an end. */
  async unfinished(id: string): Promise<number> {
    return (await this.using((kv) => read(kv, id))).entry?.unfinished ?? 0;
  }

  /** Notes a suspect's start, before it happens. */
  async begin(id: string, now: number): Promise<void> {
    await this.change(id, now, (entry) => ({ ...entry, unfinished: entry.unfinished + 1 }));
  }

  /** Notes that the start noted last has ended: it did not kill the process. */
  async end(id: string, now: number): Promise<void> {
    await this.change(id, now, (entry) => ({ ...entry, unfinished: Math.max(0, entry.unfinished - 1) }));
  }

  /** Forgets a message that is done with. An entry that another instance has written is left to the bucket's `ttl`. */
  async forget(id: string): Promise<void> {
    if (this.written.delete(id)) await this.using((kv) => kv.purge(id));
  }

  private change(id: string, now: number, make: (entry: Entry) => Entry): Promise<Entry> {
    this.written.add(id);
    if (this.written.size > REMEMBERED) this.written.delete(this.written.values().next().value!);
    return this.using(async (kv) => {
      for (let tries = 1; ; tries++) {
        const { entry, revision } = await read(kv, id);
        const next = make(entry ?? { starts: 0, counted: 0, firstAt: now, unfinished: 0 });
        try {
          await kv.put(id, JSON.stringify(next), { previousSeq: revision });
          return next;
        } catch (error) {
          if (tries === WRITE_TRIES || !isOvertaken(error)) throw error;
        }
      }
    });
  }

  private async using<T>(use: (kv: KV) => Promise<T>): Promise<T> {
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

/** Another instance has written meanwhile. */
const isOvertaken = (error: unknown): boolean =>
  error instanceof JetStreamApiError && (error.code === 10071 || error.code === 10164);

/** The entry and the revision that a write has to follow; 0 when there was none. */
async function read(kv: KV, id: string): Promise<{ entry: Entry | undefined; revision: number }> {
  const found = await kv.get(id);
  if (!found) return { entry: undefined, revision: 0 };
  return { entry: found.operation === 'PUT' ? found.json<Entry>() : undefined, revision: found.revision };
}
