import { setTimeout as sleep } from 'node:timers/promises';
import type { Subscription as NatsSubscription } from '@nats-io/transport-node';
import type { Binding } from '../consume/binding.js';
import type { BrokerClock } from '../connection/broker-clock.js';
import type { JetStreamConnection } from '../connection/connection.js';
import { RetryLater } from '../errors.js';
import type { JetStreamPublisher } from '../publish/publisher.js';
import { PARKED, type Received } from '../consume/received.js';
import { seam } from '../seam.js';

/** What is said of a reason, at most. */
const REASON_LENGTH = 256;
const RETRY_MS = 1_000;
const FOLLOW_AGAIN_MS = 5 * 60_000;
/** Between looks of a message whether those before it are gone, and how many of them look in a second. */
const BEHIND_MS = 1_000;
const LONGEST_BEHIND_MS = 60_000;
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
  /** What this process is about to store in there. */
  private readonly underWay = new Set<string>();
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
    // Known before it is stored, so that nothing that follows passes it meanwhile.
    const wasKnown = this.remember(place);
    this.underWay.add(place);
    try {
      await this.publisher.publish({
        subject: `parked.wait.${place}`,
        // A repetition after a crash is the same copy. Of a message and its own copy, should both be there, each is another.
        id: `parked:${id}:${received.parked}:${message.seq}`,
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
    } catch (error) {
      if (!wasKnown) this.forget(place);
      throw error;
    } finally {
      this.underWay.delete(place);
    }
    seam('parked', binding.durable);
    message.ack();
  }

  /** Follows what other instances park for these durables, from now on, and learns anew what waits. */
  async follow(bindings: readonly Binding[]): Promise<void> {
    for (const subscription of this.followed.splice(0)) subscription.unsubscribe();
    this.waiting.clear();
    for (const place of this.underWay) this.remember(place);
    // The client's reader does not survive a callback that throws, and an error comes without a message.
    const callback = (error: Error | null, message: { subject: string }) => {
      if (!error) this.remember(placeOf(message.subject));
    };
    await Promise.all(
      bindings.map(async ({ stream, durable }) => {
        this.followed.push(this.connection.nc.subscribe(`parked.wait.${stream}.${durable}.>`, { callback }));
        for (const subject of await this.subjects(`parked.*.${stream}.${durable}.>`)) this.remember(placeOf(subject));
      }),
    );
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
    const known = [...(this.waiting.get(name) ?? [])].map((place) => `${name}.${place}`);
    try {
      const present = new Set((await this.subjects(`parked.*.${name}.*`)).map(placeOf));
      // What was parked since the question is not in the answer.
      for (const place of known) if (!present.has(place) && !this.underWay.has(place)) this.forget(place);
      for (const place of present) this.remember(place);
    } catch {
      return true;
    }
    return this.maySeparate(received);
  }

  /** How long a message waits that follows others, in milliseconds; alike for all, so that they keep their order. */
  get behindMs(): number {
    return Math.min(LONGEST_BEHIND_MS, BEHIND_MS * Math.max(1, Math.ceil(this.places / FOLLOWERS_A_SECOND)));
  }

  /** A message of the waiting room is done with. */
  leave({ binding, key, sequence }: Received): void {
    this.forget(`${nameOf(binding, key ?? '')}.${sequence}`);
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

  /** Places that are known, of all keys and durables. */
  private get places(): number {
    let sum = 0;
    for (const { size } of this.waiting.values()) sum += size;
    return sum;
  }

  /** Returns whether it was known before. */
  private remember(place: string): boolean {
    const [name, sequence] = partsOf(place);
    const places = this.waiting.get(name) ?? new Set();
    const wasKnown = places.has(sequence);
    this.waiting.set(name, places.add(sequence));
    return wasKnown;
  }

  private forget(place: string): void {
    const [name, sequence] = partsOf(place);
    const places = this.waiting.get(name);
    places?.delete(sequence);
    if (places?.size === 0) this.waiting.delete(name);
  }
}

/**
 * Keeps a waiting room's knowledge in step with the broker: from every connection on, and from time to time, since what
 * other instances take out is not told. Returns how to stop, and when it is known for the first time.
 */
export function keepFollowing(
  room: WaitingRoom,
  connection: JetStreamConnection,
  bindings: () => readonly Binding[],
): { known: Promise<void>; stop: () => void } {
  const stopped = new AbortController();
  const { promise: known, resolve } = Promise.withResolvers<void>();
  let again = new AbortController();
  const follow = async () => {
    while (!stopped.signal.aborted) {
      again = new AbortController();
      // The stream is missing or has no leader, which health says; until then what is known here counts.
      const isKnown =
        connection.isConnected &&
        (await room.follow(bindings()).then(
          () => true,
          () => false,
        ));
      if (isKnown) resolve();
      await sleep(isKnown ? FOLLOW_AGAIN_MS : RETRY_MS, undefined, { ref: false, signal: again.signal }).catch(
        () => undefined,
      );
    }
  };
  const off = connection.on('connect', () => again.abort());
  void follow();
  const stop = () => {
    stopped.abort();
    again.abort();
    off();
  };
  return { known, stop };
}

/** What stands behind `parked.wait.` and `parked.due.`. */
function placeOf(subject: string): string {
  return subject.split('.').slice(2).join('.');
}

/** The name of a key of a durable, and a place in its stream. */
function partsOf(place: string): [name: string, sequence: number] {
  const at = place.lastIndexOf('.');
  return [place.slice(0, at), Number(place.slice(at + 1))];
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
