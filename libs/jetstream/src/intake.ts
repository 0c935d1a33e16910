import { jetstream, type Consumer, type ConsumerInfo, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import type { Subscription as NatsSubscription } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoff } from './backoff.js';
import { type Binding, bindProblem, mismatch } from './binding.js';
import type { JetStreamConnection } from './connection.js';
import type { Dispatcher } from './dispatcher.js';
import { type RetryLater, toError } from './errors.js';
import type { KeyedQueue } from './keyed-queue.js';
import type { Settings } from './options.js';
import { Semaphore } from './semaphore.js';
import type { Metrics } from './telemetry.js';

/** Longest life of a pull request: bounds the stall after a consumer's leader dies unnoticed. */
const PULL_EXPIRES_MS = 5_000;
/** Between looks for the consumer while it has no leader or does not exist. */
const LOOK_AGAIN_MS = 200;
const LOOK_TIMEOUT_MS = 2_000;
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
  private readonly pulls = new Set<ConsumerMessages>();
  private readonly running = new Set<Promise<void>>();
  private readonly slots: Semaphore;
  private consumer: Consumer | undefined;
  private binding: Promise<void> | undefined;
  private keepAlive: NodeJS.Timeout | undefined;
  private probeTimer: NodeJS.Timeout | undefined;
  private asked = 0;
  private parked = 0;
  private pace: 'open' | 'probing' | 'away' = 'open';
  private timesAway = 0;
  private stopped = false;
  /** Why nothing is being consumed, or undefined. */
  problem: string | undefined;
  /** Whether the consumer was ever found as it should be. */
  everBound = false;

  constructor(
    readonly of: Binding,
    private readonly shared: Shared,
  ) {
    this.slots = new Semaphore(of.concurrency);
    this.problem = `Consumer '${of.durable}' of stream '${of.stream}' is not bound yet. It is being looked for.`;
  }

  /** Looks for the consumer until it is there and right, then pulls. Also called to start over after a disruption. */
  bind(): Promise<void> {
    return (this.binding ??= this.look().finally(() => (this.binding = undefined)));
  }

  /** After a reconnect: what was asked of the old connection is not counted on. */
  async restart(): Promise<void> {
    this.consumer = undefined;
    await Promise.all([this.bind(), this.endPulls()]);
    this.refill();
  }

  /** Stops pulling and gives back what has not started, so that another instance has it at once. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.probeTimer);
    this.handBack();
    await this.endPulls();
  }

  /** Resolves when nothing runs any more. */
  async finish(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
    clearInterval(this.keepAlive);
  }

  async inspect(timeout: number): Promise<ConsumerInfo | undefined> {
    if (!this.consumer || !this.shared.connection.isConnected) return undefined;
    const api = jetstream(this.shared.connection.nc, { timeout });
    return (await api.consumers.get(this.of.stream, this.of.durable)).info(true);
  }

  private async look(): Promise<void> {
    const { connection } = this.shared;
    while (!this.stopped) {
      try {
        if (connection.isConnected) {
          const consumer = await jetstream(connection.nc, { timeout: LOOK_TIMEOUT_MS }).consumers.get(
            this.of.stream,
            this.of.durable,
          );
          const info = await consumer.info(true);
          const wrong = mismatch(this.of, info);
          if (!wrong) return this.bound(consumer, info);
          this.report(wrong);
        }
      } catch (error) {
        this.report(bindProblem(this.of, toError(error)));
      }
      await sleep(LOOK_AGAIN_MS, undefined, { ref: false });
    }
  }

  private bound(consumer: Consumer, info: ConsumerInfo): void {
    if (this.problem) {
      this.logger.log({ message: 'consumer bound', stream: this.of.stream, durable: this.of.durable });
    }
    this.consumer = consumer;
    this.problem = undefined;
    this.everBound = true;
    const ackWaitMs = this.shared.settings.ackWaitMs ?? (info.config.ack_wait ?? 30e9) / 1e6;
    clearInterval(this.keepAlive);
    this.keepAlive = setInterval(() => this.stayAlive(), ackWaitMs / 3).unref();
    this.refill();
  }

  private report(problem: string): void {
    if (problem !== this.problem) this.logger.error(problem);
    this.problem = problem;
  }

  private stayAlive(): void {
    if (!this.shared.connection.isConnected) return;
    for (const { message } of this.held) message.working();
  }

  private refill(): void {
    if (this.stopped || !this.consumer || this.pace === 'away') return;
    const { concurrency } = this.of;
    const window = this.pace === 'probing' ? 1 : 2 * concurrency + Math.min(this.parked, PARKING * concurrency);
    const room = window - this.held.size - this.asked;
    // Under load, requests for single messages would cost more than the messages.
    const least = this.pace === 'probing' ? 1 : Math.ceil(concurrency / 2);
    if (room >= least) void this.pull(this.consumer, room);
  }

  private async pull(consumer: Consumer, count: number): Promise<void> {
    let due = count;
    this.asked += count;
    try {
      const pull = await consumer.fetch({ max_messages: count, expires: PULL_EXPIRES_MS });
      this.pulls.add(pull);
      if (this.stopped || this.pace === 'away') void this.endPull(pull);
      try {
        for await (const message of pull) {
          if (due > 0) {
            due--;
            this.asked--;
          }
          this.receive(message);
        }
      } finally {
        this.pulls.delete(pull);
      }
    } catch (error) {
      // Heartbeats missed, consumer deleted, no leader: find out which, and start over when it is there again.
      this.logger.debug?.({ message: 'pull ended early', durable: this.of.durable, error: toError(error).message });
      if (this.consumer === consumer) this.consumer = undefined;
      await sleep(LOOK_AGAIN_MS, undefined, { ref: false });
      if (!this.consumer) void this.bind();
    } finally {
      this.asked -= due;
    }
    this.refill();
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
  private goAway(reason: RetryLater): number {
    const { settings, random } = this.shared;
    if (this.pace !== 'away') this.timesAway++;
    const pause = Math.max(backoff(settings.backoff.away, this.timesAway, random), reason.delayMs ?? 0);
    if (this.pace === 'away' || this.stopped) return pause;
    this.logger.warn({
      message: 'dependency away, consumer rests',
      durable: this.of.durable,
      pauseMs: pause,
      reason: reason.message,
    });
    this.pace = 'away';
    this.handBack();
    void this.endPulls();
    this.probeTimer = setTimeout(() => {
      this.pace = 'probing';
      this.refill();
    }, pause).unref();
    return pause;
  }

  private resume(): void {
    if (this.pace !== 'probing') return;
    this.logger.log({ message: 'dependency back, consumer resumed', durable: this.of.durable });
    this.pace = 'open';
    this.timesAway = 0;
  }

  private async endPulls(): Promise<void> {
    await Promise.all([...this.pulls].map((pull) => this.endPull(pull)));
  }

  /**
   * Takes in what the broker has sent already, then ends. Merely closing drops what is on the wire, which is then
   * missing until its ack_wait is over.
   */
  private async endPull(pull: ConsumerMessages): Promise<void> {
    const { sub } = pull as unknown as { sub?: NatsSubscription };
    if (sub && !sub.isClosed() && this.shared.connection.isConnected) {
      await Promise.race([sub.drain(), sleep(1_000, undefined, { ref: false })]).catch(() => undefined);
    }
    await pull.close();
  }
}
