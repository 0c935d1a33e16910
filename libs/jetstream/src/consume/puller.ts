import {
  type ConsumeCallback,
  type Consumer,
  type ConsumerInfo,
  type ConsumerMessages,
  type FetchMessages,
  jetstream,
  type JsMsg,
} from '@nats-io/jetstream';
import type { Subscription as NatsSubscription } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { bindProblem, mismatch } from './binding.js';
import type { JetStreamConnection } from '../connection/connection.js';
import { toError } from '../errors.js';
import type { Subscription } from '../nest/subscription.js';

/** Longest life of a pull request: bounds the stall after a consumer's leader dies unnoticed. */
const PULL_EXPIRES_MS = 5_000;
/** Between looks for the consumer while it has no leader or does not exist. */
const LOOK_AGAIN_MS = 200;
const LOOK_TIMEOUT_MS = 2_000;
/** How long what is on the wire may take to arrive when a pull ends. */
const WIRE_MS = 1_000;

export interface PullerEvents {
  /** The consumer was found, for the first time or again; nothing is asked of it yet. */
  bound: (info: ConsumerInfo) => void;
  /** In the order of the stream. */
  message: (message: JsMsg) => void;
  /** A request has ended, so `asked` has changed. */
  ended: () => void;
}

/** Finds a durable's consumer, stays with it through disruptions, and asks it for so many messages as it is told. */
export class Puller {
  private readonly logger = new Logger(Puller.name);
  private readonly pulls = new Set<ConsumerMessages>();
  private consumer: Consumer | undefined;
  private looking: Promise<void> | undefined;
  private stopped = false;
  /** How often asking was ended: a pull that began before belongs to the past. */
  private endings = 0;
  /** Messages asked for and not received yet. */
  asked = 0;
  /** Why nothing can be pulled, or undefined. */
  problem: string | undefined;
  /** Whether the consumer was ever found as it should be. */
  everBound = false;

  constructor(
    private readonly of: Pick<Subscription, 'stream' | 'durable' | 'subject'>,
    private readonly connection: JetStreamConnection,
    private readonly events: PullerEvents,
  ) {
    this.problem = `Consumer '${of.durable}' of stream '${of.stream}' is not bound yet. It is being looked for.`;
  }

  get isBound(): boolean {
    return this.consumer !== undefined;
  }

  /** Looks for the consumer until it is there and right. Never makes it. */
  bind(): Promise<void> {
    return (this.looking ??= this.look().finally(() => (this.looking = undefined)));
  }

  /** After a reconnect: what was asked over the old connection is not counted on. */
  async restart(): Promise<void> {
    this.consumer = undefined;
    await Promise.all([this.bind(), this.end()]);
  }

  /** Asks for no more, and takes in what is on its way. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.end();
  }

  async inspect(timeout: number): Promise<ConsumerInfo | undefined> {
    if (!this.consumer || !this.connection.isConnected) return undefined;
    return (await this.find(timeout)).info(true);
  }

  /** Asks for so many messages more; those that have not come within 5 s are not asked for any longer. */
  async ask(count: number): Promise<void> {
    const { consumer, endings } = this;
    if (!consumer || this.stopped) return;
    let due = count;
    this.asked += count;
    // By callback, which the client's types leave out of fetch: the iterators of two pulls take turns as they like,
    // while callbacks come in the order of the wire, which is that of the stream.
    const options: FetchMessages & ConsumeCallback = {
      max_messages: count,
      expires: PULL_EXPIRES_MS,
      callback: (message) => {
        if (due > 0) {
          due--;
          this.asked--;
        }
        this.events.message(message);
      },
    };
    try {
      const pull = await consumer.fetch(options);
      this.pulls.add(pull);
      if (this.endings > endings) void this.endPull(pull);
      const error = await pull.closed().finally(() => this.pulls.delete(pull));
      if (error) await this.disrupted(consumer, error);
    } catch (error) {
      await this.disrupted(consumer, toError(error));
    } finally {
      this.asked -= due;
    }
    this.events.ended();
  }

  /**
   * Ends what was asked for, taking in what is on the wire. What is given back after the call has begun goes to others,
   * and not into these pulls again.
   */
  async end(): Promise<void> {
    this.endings++;
    await Promise.all([...this.pulls].map((pull) => this.endPull(pull)));
  }

  /** Merely closing drops what the broker has sent already, which is then missing until its ack_wait is over. */
  private async endPull(pull: ConsumerMessages): Promise<void> {
    const { sub } = pull as unknown as { sub?: NatsSubscription };
    if (sub && !sub.isClosed() && this.connection.isConnected) {
      await Promise.race([sub.drain(), sleep(WIRE_MS, undefined, { ref: false })]).catch(() => undefined);
    }
    await pull.close();
  }

  /** Heartbeats missed, consumer deleted, no leader: finds out which, and starts over when it is there again. */
  private async disrupted(consumer: Consumer, error: Error): Promise<void> {
    this.logger.debug?.({ message: 'pull ended early', durable: this.of.durable, error: error.message });
    if (this.consumer === consumer) this.consumer = undefined;
    await sleep(LOOK_AGAIN_MS, undefined, { ref: false });
    if (!this.consumer) void this.bind();
  }

  private async look(): Promise<void> {
    while (!this.stopped) {
      if (this.connection.isConnected && (await this.lookOnce())) return;
      await sleep(LOOK_AGAIN_MS, undefined, { ref: false });
    }
  }

  private async lookOnce(): Promise<boolean> {
    try {
      const consumer = await this.find(LOOK_TIMEOUT_MS);
      const info = await consumer.info(true);
      const wrong = mismatch(this.of, info);
      if (wrong) this.report(wrong);
      else this.found(consumer, info);
      return !wrong;
    } catch (error) {
      this.report(bindProblem(this.of, toError(error)));
      return false;
    }
  }

  private find(timeout: number): Promise<Consumer> {
    return jetstream(this.connection.nc, { timeout }).consumers.get(this.of.stream, this.of.durable);
  }

  private found(consumer: Consumer, info: ConsumerInfo): void {
    const { stream, durable } = this.of;
    if (this.problem) this.logger.log({ message: 'consumer bound', stream, durable });
    this.consumer = consumer;
    this.problem = undefined;
    this.everBound = true;
    this.events.bound(info);
  }

  private report(problem: string): void {
    if (problem !== this.problem) this.logger.error(problem);
    this.problem = problem;
  }
}
