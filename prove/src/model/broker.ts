import type { EventType } from '@pavane/contracts';
import { type Clock, earliest } from './clock.js';
import { type Modelled, modelledDurables } from './modelled.js';
import type { Chance } from './scenario.js';

/** An event as it travels. */
export interface Said {
  readonly id: string;
  readonly type: EventType;
  readonly orderId: string;
  /** JSON text. */
  readonly data: string;
  /** Grows with every event said: who hears a smaller one later hears it out of order. */
  readonly turn: number;
}

/** An event that waits for one durable to acknowledge it. */
export interface Entry {
  readonly said: Said;
  readonly durable: string;
  readonly service: Modelled;
  deliveries: number;
  /** Handlers that threw. */
  attempts: number;
  /** Delivered and not yet acknowledged. */
  held: boolean;
  /** Not delivered before. */
  notBefore: number;
}

const ACK_WAIT_MS = 5000;
const MAX_ATTEMPTS = 5;

/** One interest stream as its listeners see it, timers beside it: delivers at least once, in any order. */
export class Broker {
  readonly entries: Entry[] = [];
  readonly deadLetters: { durable: string; reason: string }[] = [];
  /** Timers that have not fired. */
  readonly timers: { said: Said; at: number }[] = [];
  /** Everything stored so far, so that any of it may come once more. */
  readonly #stored: Said[] = [];
  #known = new Set<string>();
  #turn = 0;

  constructor(
    private readonly clock: Clock,
    private readonly chance: Chance,
  ) {}

  nextTurn(): number {
    return ++this.#turn;
  }

  /** Stores an event for everybody who listens, unless its id is known from before. */
  publish(said: Said): void {
    if (this.#known.has(said.id)) return;
    this.#known.add(said.id);
    if (said.type === 'timers.deadline') {
      const { deadlineAt } = JSON.parse(said.data) as { deadlineAt: string };
      this.timers.push({ said, at: Date.parse(deadlineAt) });
    } else this.#store(said);
  }

  #store(said: Said): void {
    this.#stored.push(said);
    for (const { event, durable, service } of modelledDurables)
      if (event === said.type) this.#enqueue(said, durable, service, this.clock.ms);
  }

  #enqueue(said: Said, durable: string, service: Modelled, notBefore: number): void {
    this.entries.push({ said, durable, service, deliveries: 0, attempts: 0, held: false, notBefore });
  }

  isReady(entry: Entry): boolean {
    return !entry.held && entry.notBefore <= this.clock.ms;
  }

  deliver(entry: Entry): void {
    entry.held = true;
    entry.deliveries++;
  }

  ack(entry: Entry): void {
    const at = this.entries.indexOf(entry);
    if (at >= 0) this.entries.splice(at, 1);
  }

  nak(entry: Entry, afterMs: number): void {
    entry.held = false;
    entry.notBefore = this.clock.ms + afterMs;
  }

  /** A handler threw what is no outage: tried again, and given up after so many attempts. */
  failed(entry: Entry, reason: string): void {
    if (++entry.attempts < MAX_ATTEMPTS) return this.nak(entry, 100 * 2 ** entry.attempts);
    this.deadLetters.push({ durable: entry.durable, reason });
    this.ack(entry);
  }

  /** Nobody will acknowledge it: the process that held it is gone, or the acknowledgement was lost. */
  abandon(entry: Entry): void {
    this.nak(entry, ACK_WAIT_MS);
  }

  /** Fires one timer whose time has come. */
  fire(): boolean {
    const due = this.timers.findIndex(({ at }) => this.clock.reached(at));
    if (due < 0) return false;
    const { said } = this.timers.splice(due, 1)[0]!;
    // A fired timer is a new message of the stream under the old event id.
    this.#store({ ...said, turn: this.nextTurn() });
    return true;
  }

  /** Fault: an event comes once more to one of its listeners, however long ago the first was. */
  duplicate(): string | undefined {
    const said = this.chance.find(this.#stored, () => true);
    const listener = said && this.chance.find(modelledDurables, ({ event }) => event === said.type);
    if (!said || !listener) return undefined;
    this.#enqueue(said, listener.durable, listener.service, this.clock.ms);
    return `${said.type} ${said.id} comes to ${listener.durable} again`;
  }

  /** Fault: an event is held up. */
  delay(): string | undefined {
    const entry = this.chance.find(this.entries, (one) => this.isReady(one));
    if (!entry) return undefined;
    entry.notBefore = this.clock.ms + this.chance.int(50, 10_000);
    return `${entry.said.type} ${entry.said.id} to ${entry.durable} is held up`;
  }

  /** Fault: a consumer is paused, and what waits for it waits for minutes. */
  pause(): string | undefined {
    const entry = this.chance.find(this.entries, (one) => this.isReady(one));
    if (!entry) return undefined;
    for (const one of this.entries)
      if (one.durable === entry.durable && this.isReady(one)) one.notBefore = this.clock.ms + 200_000;
    return `${entry.durable} is paused`;
  }

  /** Fault: an event whose handler still runs is delivered to another process meanwhile. */
  takeOver(): string | undefined {
    const entry = this.chance.find(this.entries, ({ held }) => held);
    if (!entry) return undefined;
    entry.held = false;
    return `${entry.said.type} ${entry.said.id} to ${entry.durable} was held longer than ack_wait`;
  }

  /** Fault: the server is killed: what is not acknowledged comes again, and ids known for duplicates are forgotten. */
  restart(): string {
    this.#known = new Set();
    for (const entry of this.entries) entry.held = false;
    return 'the broker is killed and started again';
  }

  /** Fault: a timer is lost. */
  loseTimer(): string | undefined {
    return this.timers.pop() && 'a timer is lost';
  }

  /** Fault: the server loses its store. The outboxes have to be replayed. */
  loseEverything(): void {
    this.#known = new Set();
    this.entries.length = 0;
    this.timers.length = 0;
  }

  /** When something becomes ready next. */
  nextMoment(): number | undefined {
    return earliest([
      ...this.timers.map(({ at }) => at),
      ...this.entries.filter(({ held }) => !held).map(({ notBefore }) => notBefore),
    ]);
  }
}
