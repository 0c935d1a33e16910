import { setTimeout as sleep } from 'node:timers/promises';
import type { Subscription as NatsSubscription } from '@nats-io/transport-node';
import type { Binding } from './binding.js';
import type { BrokerClock } from './broker-clock.js';
import type { JetStreamConnection } from './connection.js';
import { RetryLater } from './errors.js';
import type { JetStreamPublisher } from './publisher.js';
import { PARKED, type Received } from './received.js';
import { seam } from './seam.js';

/** What is said of a reason, at most. */
const REASON_LENGTH = 256;
const RETRY_MS = 1_000;
/** Between looks of a message whether those before it are gone, and how many of one key look in a second. */
const BEHIND_MS = 1_000;
const FOLLOWERS_A_SECOND = 50;
/** The share of its limit to which the waiting room is filled. A schedule forbids to refuse beyond it: the oldest would go. */
const FULL = 0.8;
/** About what headers and bookkeeping take beside a body. */
const HEADERS_BYTES = 1_024;
/** How old what is known of its size may be, in milliseconds. */
const MEASURED_MS = 1_000;
/** A key that can stand in a subject as it is. */
const PLAIN = /^[A-Za-z0-9_-]{1,128}$/;

/** The durable of the waiting room that gives a durable's parked messages back to it. */
export const roomDurable = ({ stream, durable }: Pick<Binding, 'stream' | 'durable'>): string => `${stream}_${durable}`;
/** The subject under which they come back. */
export const roomSubject = ({ stream, durable }: Pick<Binding, 'stream' | 'durable'>): string =>
  `parked.due.${stream}.${durable}.>`;

/**
 * Where messages wait that must not take the place of others: a stream of its own, from which a schedule gives each
 * back to the durable it belongs to. It holds a message until that durable has acknowledged it.
 */
export class WaitingRoom {
  /** Per key of a durable, the places of what is known to wait. Too much is harmless: it is asked for before it counts. */
  private readonly waiting = new Map<string, Set<number>>();
  /** What may still be parked, as of the last look. */
  private room = { at: Number.NEGATIVE_INFINITY, bytes: 0, messages: 0 };
  private readonly followed: NatsSubscription[] = [];

  constructor(
    private readonly connection: JetStreamConnection,
    private readonly publisher: JetStreamPublisher,
    readonly stream: string,
    private readonly clock: BrokerClock,
  ) {}

  /**
   * Stores a copy that comes back after `waitMs`, then acknowledges the original. Rejects when it cannot be stored, and
   * the original is untouched. A crash in between leaves both, and the inbox of whoever handles them.
   */
  async park(received: Received, waitMs: number, reason: string): Promise<void> {
    const { binding, id, headers, message, sequence } = received;
    const place = `${binding.stream}.${binding.durable}.${tokenOf(received.key)}.${sequence}`;
    const times = received.parked + 1;
    await this.takeRoom(message.data.length + HEADERS_BYTES);
    await this.publisher.publish({
      subject: `parked.wait.${place}`,
      // A repetition after a crash is the same copy; the next time it is parked is another.
      id: `parked:${id}:${times}`,
      data: message.data,
      headers: {
        ...headersOf(headers),
        [PARKED.subject]: received.subject,
        [PARKED.sequence]: String(sequence),
        [PARKED.storedAt]: new Date(received.storedAt).toISOString(),
        [PARKED.times]: String(times),
        [PARKED.reason]: reason.slice(0, REASON_LENGTH).replaceAll(/[\r\n]+/g, ' '),
        'Nats-Schedule': `@at ${new Date(this.clock.now() + waitMs).toISOString()}`,
        'Nats-Schedule-Target': `parked.due.${place}`,
      },
    });
    seam('parked', binding.durable);
    this.remember(place);
    message.ack();
  }

  /** Follows what other instances park for these durables, from now on and what they have parked before. */
  async follow(bindings: readonly Binding[]): Promise<void> {
    for (const subscription of this.followed.splice(0)) subscription.unsubscribe();
    for (const { stream, durable } of bindings) {
      const callback = (_: Error | null, { subject }: { subject: string }) => this.remember(placeOf(subject));
      this.followed.push(this.connection.nc.subscribe(`parked.wait.${stream}.${durable}.>`, { callback }));
      for (const subject of await this.subjects(`parked.*.${stream}.${durable}.>`)) this.remember(placeOf(subject));
    }
  }

  /** Whether an earlier message of the same key waits for this durable, as far as is known here. */
  maySeparate({ binding, key, sequence }: Received): boolean {
    if (key === undefined || this.waiting.size === 0) return false;
    const places = this.waiting.get(nameOf(binding, key));
    return places !== undefined && [...places].some((place) => place < sequence);
  }

  /** The same, as the broker knows it. While it cannot be asked, what is known here counts. */
  async separates(received: Received): Promise<boolean> {
    const { binding, key } = received;
    if (!this.maySeparate(received)) return false;
    const name = nameOf(binding, key!);
    try {
      const subjects = await this.subjects(`parked.*.${name}.*`);
      this.waiting.delete(name);
      for (const subject of subjects) this.remember(placeOf(subject));
    } catch {
      return true;
    }
    return this.maySeparate(received);
  }

  /** How long a message waits that follows others, in milliseconds. Alike for all of a key, so that they keep their order. */
  behindMs({ binding, key }: Received): number {
    const followers = this.waiting.get(nameOf(binding, key ?? ''))?.size ?? 0;
    return BEHIND_MS * Math.max(1, Math.ceil(followers / FOLLOWERS_A_SECOND));
  }

  /** A message of the waiting room is done with. */
  leave({ binding, key, sequence }: Received): void {
    const name = nameOf(binding, key ?? '');
    const places = this.waiting.get(name);
    places?.delete(sequence);
    if (places?.size === 0) this.waiting.delete(name);
  }

  /** Whether nothing waits in here for its time to come back to this durable. */
  async isEmptyFor({ stream, durable }: Binding): Promise<boolean> {
    return (await this.subjects(`parked.wait.${stream}.${durable}.>`)).length === 0;
  }

  /** Rejects when the stream is as full as it may be. What this process parks between two looks is reckoned with. */
  private async takeRoom(bytes: number): Promise<void> {
    if (performance.now() - this.room.at > MEASURED_MS) {
      const { config, state, ts } = await this.connection.jsm.streams.info(this.stream);
      this.clock.learn(ts);
      const left = (size: number, limit: number) => (limit > 0 ? FULL * limit - size : Number.POSITIVE_INFINITY);
      const { max_bytes, max_msgs } = config;
      this.room = {
        at: performance.now(),
        bytes: left(state.bytes, max_bytes),
        messages: left(state.messages, max_msgs),
      };
    }
    this.room.bytes -= bytes;
    this.room.messages--;
    if (this.room.bytes < 0 || this.room.messages < 0)
      throw new RetryLater(`stream '${this.stream}' is full: nothing more is parked until messages in it are handled`);
  }

  private async subjects(filter: string): Promise<string[]> {
    const { state } = await this.connection.jsm.streams.info(this.stream, { subjects_filter: filter });
    return Object.keys(state.subjects ?? {});
  }

  private remember(place: string): void {
    const at = place.lastIndexOf('.');
    const name = place.slice(0, at);
    const places = this.waiting.get(name) ?? new Set();
    this.waiting.set(name, places.add(Number(place.slice(at + 1))));
  }
}

/** Keeps a waiting room's knowledge in step with the broker, from every connection on; returns how to stop. */
export function keepFollowing(
  room: WaitingRoom,
  connection: JetStreamConnection,
  bindings: () => readonly Binding[],
): () => void {
  const stopped = new AbortController();
  const follow = async () => {
    while (!stopped.signal.aborted && connection.isConnected) {
      try {
        return await room.follow(bindings());
      } catch {
        // The stream is missing or has no leader, which health says; until then what is known here counts.
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    }
  };
  const off = connection.on('connect', () => void follow());
  if (connection.isConnected) void follow();
  return () => {
    stopped.abort();
    off();
  };
}

/** What stands behind `parked.wait.` and `parked.due.`. */
function placeOf(subject: string): string {
  return subject.split('.').slice(2).join('.');
}

function nameOf({ stream, durable }: Binding, key: string): string {
  return `${stream}.${durable}.${tokenOf(key)}`;
}

function tokenOf(key: string | undefined): string {
  if (key === undefined || key === '') return '_';
  return PLAIN.test(key) ? key : `~${Buffer.from(key.slice(0, 96)).toString('base64url')}`;
}

/** Without the broker's own: an expectation or id of the original would act again on the copy. */
function headersOf(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !/^nats-/i.test(name)));
}
