import type { ConsumerInfo, JsMsg } from '@nats-io/jetstream';
import { Logger } from '@nestjs/common';
import type { AttemptLog } from './attempts.js';
import type { Binding } from './binding.js';
import { Blame } from '../failures/blame.js';
import type { BrokerClock } from '../connection/broker-clock.js';
import type { JetStreamConnection } from '../connection/connection.js';
import type { DeadLetters } from '../failures/dead-letter.js';
import type { Dispatcher } from './dispatcher.js';
import { toError } from '../errors.js';
import type { KeyedQueue } from './keyed-queue.js';
import type { Settings } from '../nest/options.js';
import { Puller } from './puller.js';
import { receive, type Received } from './received.js';
import { Semaphore } from './semaphore.js';
import { Settlement } from './settlement.js';
import { inContextOf, type Metrics } from '../telemetry.js';
import { roomDurable, roomSubject, type WaitingRoom } from '../failures/waiting-room.js';

/** How many messages beyond the window, in units of concurrency, may wait for others of their key in this process. */
const PARKING = 8;
/** The same where there is a waiting room for those beyond it. */
const PARKING_WITH_ROOM = 2;
/**
 * How long a message from the waiting room waits for its key in this process. Its window is small, and those of other keys
 * come through it as well.
 */
const LONGEST_IN_LINE_MS = 1_000;

/** A message from receipt to settlement. Parked: waiting for its key or, as a suspect, for its turn. */
interface Delivery {
  readonly received: Received;
  readonly source: Source;
  phase: 'parked' | 'queued' | 'running' | 'settled';
  /** It ran on when the durable went to rest, and is not reckoned with any longer: it may hang. */
  isLeft?: boolean;
}

/** Where messages of the durable come from: its stream, and the waiting room. */
interface Source {
  readonly puller: Puller;
  readonly isRoom: boolean;
  /** Messages received from it and not settled. */
  held: number;
  /** Its consumer's `ack_wait`, once it is bound. */
  ackWaitMs?: number;
}

/** What the durables of one server share. */
export interface Shared {
  connection: JetStreamConnection;
  settings: Settings;
  dispatcher: Dispatcher;
  attempts: AttemptLog;
  deadLetters: DeadLetters;
  room: WaitingRoom | undefined;
  clock: BrokerClock;
  metrics: Metrics;
  /** Events of one key, one after the other, across all durables. */
  keys: KeyedQueue;
  /** Suspects, one at a time. */
  suspects: Semaphore;
  random: () => number;
}

/**
 * One durable's messages: asks the broker for exactly as many as there is room for, so that each is seen, and kept
 * alive, from its receipt on.
 *
 * A message waits for its key first and for one of the `concurrency` slots then, so a hot key never occupies more
 * than one slot; what waits for a key does not count against the window until there is twice the concurrency of it, and
 * what is more goes to the waiting room. Nothing that holds a slot waits for a key, so the two cannot block each other.
 */
export class Intake {
  private readonly logger = new Logger(Intake.name);
  private readonly held = new Set<Delivery>();
  private readonly running = new Set<Promise<void>>();
  private readonly slots: Semaphore;
  private readonly sources: readonly Source[];
  private readonly blame: Blame;
  private readonly settlement: Settlement;
  private keepAlive: NodeJS.Timeout | undefined;
  private probeTimer: NodeJS.Timeout | undefined;
  private parked = 0;
  private stopped = false;
  /** Why it rests, and since when, while it does. */
  private rested: { since: number; reason: string } | undefined;

  constructor(
    readonly of: Binding,
    private readonly shared: Shared,
  ) {
    const { settings, room, attempts, deadLetters, metrics, random } = shared;
    this.slots = new Semaphore(of.concurrency);
    const { giveUpAloneMs, giveUpMs } = settings;
    this.blame = new Blame({ ...of, giveUpAloneMs, giveUpMs }, random);
    this.settlement = new Settlement({
      blame: this.blame,
      attempts,
      deadLetters,
      metrics,
      room,
      rest: (pauseMs, reason) => this.rest(pauseMs, reason),
      resume: () => this.resume(),
      isAlone: () => this.isAlone().catch(() => false),
      now: () => shared.clock.now(),
    });
    const stream = { stream: of.stream, durable: of.durable, subject: of.subject };
    const inRoom = room && { stream: room.stream, durable: roomDurable(of), subject: roomSubject(of) };
    this.sources = [stream, ...(inRoom ? [inRoom] : [])].map((from) => this.sourceOf(from, from === inRoom));
  }

  get problem(): string | undefined {
    return this.sources[0]!.puller.problem;
  }

  get everBound(): boolean {
    return this.sources[0]!.puller.everBound;
  }

  get isResting(): boolean {
    return this.rested !== undefined;
  }

  /** What is wrong although it is bound, one line each: that it rests, and that its messages have no waiting room. */
  get findings(): string[] {
    const rooms = this.sources.slice(1).flatMap(({ puller }) => (this.everBound ? (puller.problem ?? []) : []));
    if (!this.rested) return rooms;
    const seconds = Math.round((performance.now() - this.rested.since) / 1_000);
    const rests = `Consumer '${this.of.durable}' rests since ${seconds} s, because nothing of it succeeds: ${this.rested.reason}. It probes and goes on by itself; nothing is given up meanwhile.`;
    return [rests, ...rooms];
  }

  start(): void {
    for (const { puller } of this.sources) void puller.bind();
  }

  /** To be called after a reconnect. */
  async restart(): Promise<void> {
    await Promise.all(this.sources.map(({ puller }) => puller.restart()));
    this.refill();
  }

  /** Stops pulling and gives back what has not started, so that another instance has it at once. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.probeTimer);
    const pulled = this.sources.map(({ puller }) => puller.stop());
    this.handBack();
    await Promise.all(pulled);
  }

  /** Resolves when nothing runs any more. */
  async finish(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
    clearInterval(this.keepAlive);
  }

  /** The consumers of the durable, as the broker sees them now. */
  async inspect(timeout: number): Promise<ConsumerInfo[]> {
    const infos = await Promise.all(this.sources.map(({ puller }) => puller.inspect(timeout)));
    return infos.filter((info) => info !== undefined);
  }

  private sourceOf(from: { stream: string; durable: string; subject: string }, isRoom: boolean): Source {
    const puller = new Puller(from, this.shared.connection, {
      bound: (info) => this.bound(info, source),
      message: (message) => this.receive(message, source),
      ended: () => this.refill(),
    });
    const source: Source = { puller, isRoom, held: 0 };
    return source;
  }

  private bound({ config }: ConsumerInfo, source: Source): void {
    source.ackWaitMs = this.shared.settings.ackWaitMs ?? (config.ack_wait ?? 30e9) / 1e6;
    const shortest = Math.min(...this.sources.flatMap(({ ackWaitMs }) => ackWaitMs ?? []));
    clearInterval(this.keepAlive);
    this.keepAlive = setInterval(() => this.stayAlive(), shortest / 3).unref();
    this.refill();
  }

  private stayAlive(): void {
    if (!this.shared.connection.isConnected) return;
    for (const { received } of this.held) received.message.working();
  }

  private refill(): void {
    if (this.stopped) return;
    for (const source of this.sources) {
      if (!source.puller.isBound) continue;
      const window = this.windowOf(source);
      const room = window - source.held - source.puller.asked;
      // Under load, requests for single messages would cost more than the messages.
      const least = window < this.of.concurrency ? 1 : Math.ceil(this.of.concurrency / 2);
      if (room >= least) void source.puller.ask(room);
    }
  }

  private windowOf({ isRoom }: Source): number {
    const { concurrency } = this.of;
    const most = isRoom ? concurrency : 2 * concurrency + Math.min(this.parked, this.parking * concurrency);
    return Math.min(most, this.blame.appetite);
  }

  private get parking(): number {
    return this.shared.room ? PARKING_WITH_ROOM : PARKING;
  }

  private receive(message: JsMsg, source: Source): void {
    if (message.redelivered) this.shared.metrics.redelivered(this.of.durable);
    if (this.stopped || this.blame.isResting) return message.nak();
    const received = receive(message, this.of, source.isRoom);
    const delivery: Delivery = { received, source, phase: 'parked' };
    this.held.add(delivery);
    source.held++;
    this.parked++;
    const { keys } = this.shared;
    const isBehind = keys.isBusy(received.key);
    if (isBehind && !source.isRoom && this.isCrowded) this.track(this.stepBack(delivery));
    else this.track(keys.run(received.key, () => this.inTurn(delivery)));
    if (isBehind && source.isRoom) setTimeout(() => this.track(this.stepBack(delivery)), LONGEST_IN_LINE_MS).unref();
    this.refill();
  }

  private track(work: Promise<void>): void {
    this.running.add(work);
    void work.finally(() => this.running.delete(work));
  }

  /** Whether so many wait for keys that more would take the place of messages that could be handled. */
  private get isCrowded(): boolean {
    return this.shared.room !== undefined && this.parked > this.parking * this.of.concurrency;
  }

  /** The key is free. */
  private async inTurn(delivery: Delivery): Promise<void> {
    if (delivery.phase !== 'parked') return;
    const { room, dispatcher, suspects } = this.shared;
    if (room?.maySeparate(delivery.received) && (await room.separates(delivery.received)))
      return this.stepBack(delivery);
    return dispatcher.isSuspect(delivery.received) ? suspects.run(() => this.admit(delivery)) : this.admit(delivery);
  }

  private async stepBack(delivery: Delivery): Promise<void> {
    if (delivery.phase !== 'parked') return;
    delivery.phase = 'running';
    this.parked--;
    this.shared.metrics.handled(this.of.durable, await this.settlement.stepBack(delivery.received), 0);
    this.settle(delivery);
  }

  private async admit(delivery: Delivery): Promise<void> {
    if (delivery.phase !== 'parked') return;
    this.parked--;
    delivery.phase = 'queued';
    const work = async () => {
      if (delivery.phase !== 'queued') return;
      delivery.phase = 'running';
      await this.handle(delivery.received).catch((error: unknown) => this.logger.error(toError(error)));
      this.settle(delivery);
    };
    // What hangs keeps its slot until its deadline, which must not keep the durable from finding out that all is well.
    await (this.isResting ? work() : this.slots.run(work));
  }

  private async handle(received: Received): Promise<void> {
    const started = performance.now();
    const outcome = await inContextOf(received.headers, async () =>
      this.settlement.settle(received, await this.shared.dispatcher.run(received)),
    );
    this.shared.metrics.handled(this.of.durable, outcome, (performance.now() - started) / 1_000);
  }

  private settle(delivery: Delivery): void {
    if (delivery.phase === 'parked') this.parked--;
    delivery.phase = 'settled';
    if (this.held.delete(delivery) && !delivery.isLeft) delivery.source.held--;
    this.refill();
  }

  /** Gives back at once what has not started. */
  private handBack(): void {
    for (const delivery of this.held) {
      if (delivery.phase === 'running') continue;
      delivery.received.message.nak();
      this.settle(delivery);
    }
  }

  /** Nothing succeeds: pulls no more, then probes. */
  private rest(pauseMs: number, reason: string): void {
    if (this.stopped) return;
    const { durable } = this.of;
    this.logger.warn({ message: 'nothing succeeds, consumer rests', durable, pauseMs, reason });
    this.rested = { since: this.rested?.since ?? performance.now(), reason };
    for (const { puller } of this.sources) void puller.end();
    this.handBack();
    for (const delivery of this.held) {
      if (!delivery.isLeft) delivery.source.held--;
      delivery.isLeft = true;
    }
    clearTimeout(this.probeTimer);
    this.probeTimer = setTimeout(() => {
      this.blame.probe();
      this.refill();
    }, pauseMs).unref();
  }

  private resume(): void {
    clearTimeout(this.probeTimer);
    this.rested = undefined;
    this.logger.log({ message: 'a message was handled, consumer resumed', durable: this.of.durable });
    this.refill();
  }

  private async isAlone(): Promise<boolean> {
    const known = await this.inspect(INSPECT_TIMEOUT_MS);
    const waiting = known.reduce((sum, { num_pending, num_ack_pending }) => sum + num_pending + num_ack_pending, 0);
    if (known.length < this.sources.length || waiting > 1) return false;
    return (await this.shared.room?.isEmptyFor(this.of)) ?? true;
  }
}

const INSPECT_TIMEOUT_MS = 1_000;
