import { setTimeout as sleep } from 'node:timers/promises';
import { Kvm, KvWatchInclude, type KV, type KvEntry, type KvWatchEntry } from '@nats-io/kv';
import type { NatsConnection, QueuedIterator } from '@nats-io/transport-node';

export interface FollowOptions {
  /** The connection to use, resolved once NATS has been reached. Asked again when that connection is closed. */
  connection: () => Promise<NatsConnection>;
  keys: readonly string[];
  bucket: string;
  /** How often every key is read again, in milliseconds. */
  rereadMs: number;
  /** Pause before trying again after the bucket could not be read, in milliseconds. */
  retryMs: number;
  onChange: (key: string, entry: KvEntry | undefined) => void;
  /** Every key has been read. */
  onRead: () => void;
  onTrouble: (error: unknown) => void;
}

/** How long the end of a watch may take, in milliseconds. */
const END_MS = 500;

/**
 * Keeps up with the keys of a bucket: a watch for speed, and a read of every key on start, on reconnect and at an
 * interval for truth. A watch alone is not enough: after a half-open link it may go on showing old values for a minute,
 * and on an empty bucket it never says that it has caught up.
 */
export class BucketFollower {
  private readonly closing = new AbortController();
  private readonly revisions = new Map<string, number>();
  private running: Promise<void> | undefined;
  private watch: QueuedIterator<KvWatchEntry> | undefined;
  /** Aborted when the next round should begin now. */
  private round = new AbortController();

  constructor(private readonly options: FollowOptions) {}

  start(): void {
    this.running ??= this.run();
  }

  /** Stops watching and reading. Resolves when nothing touches the connection any more. */
  async close(): Promise<void> {
    this.closing.abort();
    this.round.abort();
    await this.running;
  }

  private get closed(): boolean {
    return this.closing.signal.aborted;
  }

  private async run(): Promise<void> {
    while (!this.closed) {
      try {
        const nc = await Promise.race([this.options.connection(), aborted(this.closing.signal)]);
        if (nc) await this.follow(nc);
      } catch (error) {
        this.options.onTrouble(error);
      }
      await pause(this.options.retryMs, this.closing.signal);
    }
  }

  private async follow(nc: NatsConnection): Promise<void> {
    const kv = await new Kvm(nc).open(this.options.bucket, { allow_direct: true });
    void this.hurryOnReconnect(nc);
    while (!this.closed && !nc.isClosed()) {
      this.round = new AbortController();
      const { signal } = this.round;
      // A reconnect does not wait for requests that were sent into the dead link: they only time out.
      const wait = await Promise.race([this.readOnce(kv, signal), aborted(signal)]);
      await pause(wait ?? 0, signal);
    }
    await this.dropWatch();
  }

  /** @returns milliseconds until the next round */
  private async readOnce(kv: KV, signal: AbortSignal): Promise<number> {
    try {
      // The watch comes first, so that no change falls between it and the reading.
      if (!this.watch) await this.startWatch(kv, signal);
      const missed = await this.readAll(kv, signal);
      if (signal.aborted) return 0;
      this.options.onRead();
      if (!missed) return this.options.rereadMs;
      await this.dropWatch();
      return 0;
    } catch (error) {
      if (signal.aborted) return 0;
      this.options.onTrouble(error);
      await this.dropWatch();
      return this.options.retryMs;
    }
  }

  private async startWatch(kv: KV, signal: AbortSignal): Promise<void> {
    const watch = await kv.watch({ key: '>', include: KvWatchInclude.UpdatesOnly });
    if (signal.aborted) return end(watch);
    this.watch = watch;
    void this.consume(watch);
  }

  private async consume(watch: QueuedIterator<KvWatchEntry>): Promise<void> {
    try {
      for await (const entry of watch) {
        // One that was replaced may still hold entries older than what has been read since.
        if (entry.revision > (this.revisions.get(entry.key) ?? 0)) this.accept(entry.key, entry);
      }
    } catch {
      // Whatever ended it, another one is started below.
    }
    if (this.watch !== watch) return;
    this.watch = undefined;
    setTimeout(() => this.round.abort(), this.options.retryMs).unref();
  }

  /** @returns whether a key had changed without the watch having said so: then the watch is not to be trusted */
  private async readAll(kv: KV, signal: AbortSignal): Promise<boolean> {
    const first = this.revisions.size === 0;
    let missed = false;
    await Promise.all(
      this.options.keys.map(async (key) => {
        const before = this.revisions.get(key);
        const entry = await kv.get(key);
        // A change that arrived meanwhile is newer than this answer.
        if (signal.aborted || this.revisions.get(key) !== before || (entry?.revision ?? 0) === before) return;
        missed ||= !first;
        this.accept(key, entry ?? undefined);
      }),
    );
    return missed;
  }

  private accept(key: string, entry: KvEntry | undefined): void {
    this.revisions.set(key, entry?.revision ?? 0);
    this.options.onChange(key, entry?.operation === 'PUT' ? entry : undefined);
  }

  private async dropWatch(): Promise<void> {
    const watch = this.watch;
    this.watch = undefined;
    if (watch) await end(watch);
  }

  private async hurryOnReconnect(nc: NatsConnection): Promise<void> {
    for await (const status of nc.status()) {
      if (this.closed) return;
      if (status.type !== 'reconnect') continue;
      // The server may have forgotten the watch's consumer; a new one costs a request.
      void this.dropWatch();
      this.round.abort();
    }
  }
}

/** Stops a watch, and spares the server the five minutes it would keep an abandoned consumer. */
async function end(watch: QueuedIterator<KvWatchEntry>): Promise<void> {
  watch.stop();
  const { _data: consumer } = watch as { _data?: { delete?: () => Promise<unknown> } };
  // Without a broker there is no answer to wait for.
  await Promise.race([consumer?.delete?.().catch(() => undefined), sleep(END_MS, undefined, { ref: false })]);
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}

function aborted(signal: AbortSignal): Promise<undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
}
