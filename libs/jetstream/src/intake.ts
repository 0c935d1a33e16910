import type { ConsumerInfo, JsMsg } from '@nats-io/jetstream';
import { Logger } from '@nestjs/common';
import { backoff } from './backoff.js';
import type { Binding } from './binding.js';
import type { JetStreamConnection } from './connection.js';
import type { Dispatcher } from './dispatcher.js';
import { type RetryLater, toError } from './errors.js';
import type { KeyedQueue } from './keyed-queue.js';
import type { Settings } from './options.js';
import { Puller } from './puller.js';
import { Semaphore } from './semaphore.js';
import type { Metrics } from './telemetry.js';

/** How many messages beyond the window, in units of concurrency, may wait for others of their key. */
const PARKING = 8;

/** A message from receipt to settlement. Parked: waiting for its key or, as a suspect, for its turn. */
interface Delivery {
  readonly message: JsMsg;
  phase: 'parked' | 'queued' | 'running' | 'settled';
}

/** What the durables of one server share. */
export interface Shared {
  connection: JetStreamConnection;
  settings: Settings;
  dispatcher: Dispatcher;
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
 * than one slot; what waits for a key does not count against the window until there is eight times the concurrency
 * of it. Nothing that holds a slot waits for a key, so the two cannot block each other.
 */
export class Intake {
  private readonly logger = new Logger(Intake.name);
  private readonly held = new Set<Delivery>();
  private readonly running = new Set<Promise<void>>();
  private readonly slots: Semaphore;
  private readonly puller: Puller;
  private keepAlive: NodeJS.Timeout | undefined;
  private probeTimer: NodeJS.Timeout | undefined;
  private parked = 0;
  private pace: 'open' | 'probing' | 'away' = 'open';
  private timesAway = 0;
  private stopped = false;

  constructor(
    readonly of: Binding,
    private readonly shared: Shared,
  ) {
    this.slots = new Semaphore(of.concurrency);
    this.puller = new Puller(of, shared.connection, {
      bound: (info) => this.bound(info),
      message: (message) => this.receive(message),
      ended: () => this.refill(),
    });
  }

  get problem(): string | undefined {
    return this.puller.problem;
  }

  get everBound(): boolean {
    return this.puller.everBound;
  }

  start(): void {
    void this.puller.bind();
  }

  /** To be called after a reconnect. */
  async restart(): Promise<void> {
    await this.puller.restart();
    this.refill();
  }

  /** Stops pulling and gives back what has not started, so that another instance has it at once. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.probeTimer);
    const pulled = this.puller.stop();
    this.handBack();
    await pulled;
  }

  /** Resolves when nothing runs any more. */
  async finish(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
    clearInterval(this.keepAlive);
  }

  inspect(timeout: number): Promise<ConsumerInfo | undefined> {
    return this.puller.inspect(timeout);
  }

  private bound({ config }: ConsumerInfo): void {
    const ackWaitMs = this.shared.settings.ackWaitMs ?? (config.ack_wait ?? 30e9) / 1e6;
    clearInterval(this.keepAlive);
    this.keepAlive = setInterval(() => this.stayAlive(), ackWaitMs / 3).unref();
    this.refill();
  }

  private stayAlive(): void {
    if (!this.shared.connection.isConnected) return;
    for (const { message } of this.held) message.working();
  }

  private refill(): void {
    if (this.stopped || !this.puller.isBound || this.pace === 'away') return;
    const { concurrency } = this.of;
    const window = this.pace === 'probing' ? 1 : 2 * concurrency + Math.min(this.parked, PARKING * concurrency);
    const room = window - this.held.size - this.puller.asked;
    // Under load, requests for single messages would cost more than the messages.
    const least = this.pace === 'probing' ? 1 : Math.ceil(concurrency / 2);
    if (room >= least) void this.puller.ask(room);
  }

  private receive(message: JsMsg): void {
    if (message.redelivered) this.shared.metrics.redelivered(this.of.durable);
    if (this.stopped || this.pace === 'away') return message.nak();
    const delivery: Delivery = { message, phase: 'parked' };
    this.held.add(delivery);
    this.parked++;
    const { keys, suspects, dispatcher } = this.shared;
    const key = message.headers?.get('ce-subject') || undefined;
    const work = keys.run(key, () =>
      dispatcher.isSuspect(message) ? suspects.run(() => this.admit(delivery)) : this.admit(delivery),
    );
    this.running.add(work);
    void work.finally(() => this.running.delete(work));
    this.refill();
  }

  private async admit(delivery: Delivery): Promise<void> {
    if (delivery.phase !== 'parked') return;
    this.parked--;
    delivery.phase = 'queued';
    await this.slots.run(async () => {
      if (delivery.phase !== 'queued') return;
      delivery.phase = 'running';
      await this.handle(delivery.message).catch((error: unknown) => this.logger.error(toError(error)));
      this.settle(delivery);
    });
  }

  private async handle(message: JsMsg): Promise<void> {
    const started = performance.now();
    const result = await this.shared.dispatcher.dispatch(this.of, message);
    if (result.outcome === 'away') message.nak(this.goAway(result.reason));
    else if (result.outcome === 'acked') this.resume();
    this.shared.metrics.handled(this.of.durable, result.outcome, (performance.now() - started) / 1_000);
  }

  private settle(delivery: Delivery): void {
    if (delivery.phase === 'parked') this.parked--;
    delivery.phase = 'settled';
    this.held.delete(delivery);
    this.refill();
  }

  /** Gives back at once what has not started. */
  private handBack(): void {
    for (const delivery of this.held) {
      if (delivery.phase === 'running') continue;
      delivery.message.nak();
      this.settle(delivery);
    }
  }

  /** A dependency is away: rests, then probes with single messages. Returns the pause, in milliseconds. */
  private goAway({ message: reason, delayMs }: RetryLater): number {
    const { settings, random } = this.shared;
    if (this.pace !== 'away') this.timesAway++;
    const pauseMs = Math.max(backoff(settings.backoff.away, this.timesAway, random), delayMs ?? 0);
    if (this.pace === 'away' || this.stopped) return pauseMs;
    const { durable } = this.of;
    this.logger.warn({ message: 'dependency away, consumer rests', durable, pauseMs, reason });
    this.pace = 'away';
    void this.puller.end();
    this.handBack();
    this.probeTimer = setTimeout(() => {
      this.pace = 'probing';
      this.refill();
    }, pauseMs).unref();
    return pauseMs;
  }

  private resume(): void {
    if (this.pace !== 'probing') return;
    this.logger.log({ message: 'dependency back, consumer resumed', durable: this.of.durable });
    this.pace = 'open';
    this.timesAway = 0;
  }
}
