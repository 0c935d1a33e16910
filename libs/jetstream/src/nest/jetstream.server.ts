import { jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import { type BaseRpcContext, type MessageHandler, type ReadPacket, Server } from '@nestjs/microservices';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { isObservable, lastValueFrom } from 'rxjs';
import { AttemptLog } from '../consume/attempts.js';
import { bindingOf } from '../consume/binding.js';
import { BrokerClock } from '../connection/broker-clock.js';
import type { JetStreamConnection } from '../connection/connection.js';
import { DeadLetters } from '../failures/dead-letter.js';
import { Dispatcher } from '../consume/dispatcher.js';
import { isRetryLater, isUnprocessable, RetryLater, toError, Unprocessable } from '../errors.js';
import { Intake, type Shared } from '../consume/intake.js';
import { JETSTREAM } from './subscription.js';
import { Requests } from '../requests/requests.js';
import { KeyedQueue } from '../consume/keyed-queue.js';
import { Overdue } from '../consume/overdue.js';
import { StoreWatch } from '../connection/store-watch.js';
import { keepFollowing, WaitingRoom } from '../failures/waiting-room.js';
import { type JetStreamOptions, type Settings, withDefaults } from './options.js';
import type { JetStreamPublisher } from '../publish/publisher.js';
import { Semaphore } from '../consume/semaphore.js';
import { Metrics } from '../telemetry.js';

/** How long a handler that was given up may take to notice, when the server closes. */
const ABANDON_MS = 1_000;

/** How long a start waits to learn what is in the waiting room. */
const KNOWN_WITHIN_MS = 2_000;

/** How long a scrape may wait for the broker. */
const INSPECT_TIMEOUT_MS = 1_000;

/**
 * The transport strategy for `connectMicroservice({ strategy })`. `listen` returns at once; the durables are bound in
 * the background as soon as the broker and they are there, and again after every disruption.
 */
export class JetStreamServer extends Server<Record<string, () => void>, 'listening' | 'closed'> {
  override readonly transportId = JETSTREAM;
  override readonly propagatesEventHandlerErrors = true;
  private readonly settings: Settings;
  private readonly shared: Shared;
  private readonly intakes = new Map<string, Intake>();
  private readonly undo: (() => void)[] = [];
  private readonly overdue = new Overdue();
  private readonly clock = new BrokerClock();
  private readonly requests: Requests;
  private readonly stores: StoreWatch;
  private stopping: Promise<void> | undefined;
  private closing: Promise<void> | undefined;

  constructor(
    private readonly connection: JetStreamConnection,
    publisher: JetStreamPublisher,
    options: JetStreamOptions,
    random: () => number = Math.random,
  ) {
    super();
    this.settings = withDefaults(options);
    const { waitingRoom, attemptsBucket } = this.settings;
    const attempts = new AttemptLog(connection, attemptsBucket);
    const { clock } = this;
    const dispatcher = new Dispatcher({
      handle: (binding, data, context) => this.handleEvent(keyOf(binding), { pattern: binding.subject, data }, context),
      attempts,
      overdue: this.overdue,
      clock,
    });
    this.requests = new Requests(connection, this.settings, this.overdue, {
      hooked: (context, work) => this.runWithProcessingHooks(context, work),
      send: (stream, respond) => void this.send(stream, respond),
    });
    this.shared = {
      connection,
      settings: this.settings,
      dispatcher,
      attempts,
      deadLetters: new DeadLetters(connection, publisher, this.settings),
      room: waitingRoom === false ? undefined : new WaitingRoom(connection, publisher, waitingRoom, clock),
      clock,
      metrics: new Metrics(),
      keys: new KeyedQueue(),
      suspects: new Semaphore(1),
      random,
    };
    this.stores = new StoreWatch(connection, this.settings, clock);
  }

  /** Whether every durable was found at least once. */
  get everBound(): boolean {
    return [...this.intakes.values()].every((intake) => intake.everBound);
  }

  /** What is wrong although every durable is bound, one line each: what rests, what hangs, what is missing. */
  get findings(): string[] {
    return [
      ...[...this.intakes.values()].flatMap((intake) => intake.findings),
      ...this.overdue.findings,
      ...this.stores.findings,
    ];
  }

  /** What keeps durables from being consumed, one line each. */
  get problems(): string[] {
    return [...this.intakes.values()].flatMap((intake) => intake.problem ?? []);
  }

  override addHandler(pattern: unknown, callback: MessageHandler, isEventHandler = false, extras: object = {}): void {
    if (!isEventHandler) return super.addHandler(pattern, callback, isEventHandler, extras);
    const binding = bindingOf(this.normalizePattern(pattern as string), extras, this.settings);
    const key = keyOf(binding);
    const known = this.intakes.get(key)?.of;
    if (known && known.subject !== binding.subject) {
      throw new Error(
        `Durable '${binding.durable}' has handlers for '${known.subject}' and '${binding.subject}', but a durable has one filter. Give one of them a durable of its own.`,
      );
    }
    if (!known) {
      super.addHandler(key, callback, isEventHandler, extras);
      this.intakes.set(key, new Intake(binding, this.shared));
    }
    // Kept beside each other rather than chained by `next`: Nest would fail the message while others still run.
    (known ?? binding).handlers.push(callback);
  }

  /** @throws Error that names every subscription of the options without a handler */
  listen(callback: () => unknown): void {
    this.requireHandlers();
    callback();
    this._status$.next('listening');
    this.undo.push(this.shared.metrics.observe(() => this.inspect()));
    this.undo.push(this.shared.metrics.observeState(() => this.states()));
    this.undo.push(this.stores.start());
    const { room } = this.shared;
    const bindings = () => [...this.intakes.values()].map(({ of }) => of);
    const following = room && keepFollowing(room, this.connection, bindings);
    if (following) this.undo.push(following.stop);
    this.undo.push(this.connection.on('reconnect', () => void this.restart()));
    void this.begin(following?.known);
  }

  private requireHandlers(): void {
    const missing = this.settings.subscriptions.filter((wanted) => !this.intakes.has(keyOf(wanted)));
    if (missing.length === 0) return;
    const names = missing.map(({ subject, durable }) => `'${subject}' (durable '${durable}')`);
    throw new Error(
      `Service '${this.settings.service}' handles nothing of ${names.join(', ')}. Add a handler to a controller that its module lists.`,
    );
  }

  /** Stops taking in events and requests; what has not started is handed back. Idempotent. */
  stopIntake(): Promise<void> {
    return (this.stopping ??= this.stop());
  }

  /** Stops taking in, and resolves when everything running has ended and is settled. Idempotent. */
  close(): Promise<void> {
    return (this.closing ??= this.finish());
  }

  on(): never {
    throw new Error('JetStreamServer emits no events. Use its `status` or JetStreamHealth.');
  }

  unwrap<T = NatsConnection>(): T {
    return this.connection.nc as T;
  }

  /** Runs the handlers of a durable to their end and rejects when one of them fails. */
  override handleEvent(key: string, packet: ReadPacket, context: BaseRpcContext): Promise<void> {
    const handlers = this.intakes.get(key)?.of.handlers ?? [];
    return new Promise((resolve, reject) => {
      this.runWithProcessingHooks(context, async (end) => {
        const runs = handlers.map((handler) => this.runHandler(handler, packet.data, context));
        const failures = (await Promise.allSettled(runs)).flatMap((run) =>
          run.status === 'rejected' ? [run.reason] : [],
        );
        end();
        if (failures.length === 0) resolve();
        else reject(worstOf(failures));
      });
    });
  }

  private async runHandler(handler: MessageHandler, data: unknown, context: BaseRpcContext): Promise<void> {
    try {
      const result: unknown = await handler(data, context);
      // Without interceptors there is no stream, and none is made for every message.
      if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
    } catch (error) {
      const { message } = toError(error);
      if (this.settings.isAway(error)) throw new RetryLater(`a dependency is away: ${message}`, { cause: error });
      if (this.settings.isImpossible(error)) throw new Unprocessable(message, { cause: error });
      throw error;
    }
  }

  private async begin(known: Promise<void> | undefined): Promise<void> {
    try {
      await this.connection.ready();
    } catch (error) {
      return this.logger.warn(toError(error).message);
    }
    this.answer();
    // What follows others must not pass them because nobody has looked yet.
    await Promise.race([known, sleep(KNOWN_WITHIN_MS, undefined, { ref: false })]);
    if (!this.stopping) for (const intake of this.intakes.values()) intake.start();
  }

  private answer(): void {
    if (this.stopping) return;
    for (const [pattern, handler] of this.messageHandlers) {
      if (!handler.isEventHandler) this.requests.answer(pattern, handler);
    }
  }

  private async restart(): Promise<void> {
    await Promise.all([...this.intakes.values()].map((intake) => intake.restart()));
  }

  private states() {
    const { counts } = this.overdue;
    return [...this.intakes.values()].map(({ of: { durable }, isResting }) => ({
      durable,
      resting: isResting,
      overdue: counts.get(durable) ?? 0,
    }));
  }

  /** What time it is to the broker, in milliseconds since 1970; undefined when it cannot be asked or nothing is heard. */
  async brokerTime(): Promise<number | undefined> {
    const [intake] = this.intakes.values();
    const info = intake && (await this.streamInfo(intake.of.stream).catch(() => undefined));
    return info?.ts === undefined ? undefined : Date.parse(info.ts);
  }

  private async inspect() {
    const intakes = [...this.intakes.values()];
    const { waitingRoom } = this.settings;
    const streams = [...new Set([...intakes.map(({ of }) => of.stream), ...(waitingRoom ? [waitingRoom] : [])])];
    return {
      consumers: (await had(intakes.map((intake) => intake.inspect(INSPECT_TIMEOUT_MS)))).flat(),
      streams: await had(streams.map((stream) => this.streamInfo(stream))),
    };
  }

  private async streamInfo(stream: string): Promise<StreamInfo | undefined> {
    if (!this.connection.isConnected) return undefined;
    const jsm = await jetstreamManager(this.connection.nc, { checkAPI: false, timeout: INSPECT_TIMEOUT_MS });
    return jsm.streams.info(stream);
  }

  private async stop(): Promise<void> {
    for (const undo of this.undo) undo();
    await Promise.all([...[...this.intakes.values()].map((intake) => intake.stop()), this.requests.stop()]);
    await this.flush();
  }

  private async finish(): Promise<void> {
    await this.stopIntake();
    const finished = Promise.all([
      ...[...this.intakes.values()].map((intake) => intake.finish()),
      this.requests.finish(),
    ]);
    const { closeWithinMs } = this.settings;
    const late = sleep(closeWithinMs, 'late', { ref: false });
    if ((await Promise.race([finished, late])) === 'late') {
      const overdue = { handlers: this.overdue.running, requests: this.requests.running };
      this.logger.error({ message: 'given up on what still runs, its messages come again', closeWithinMs, ...overdue });
      this.overdue.abandon();
      // What heeds its signal gets to say so; what does not is left.
      await Promise.race([finished, sleep(ABANDON_MS, undefined, { ref: false })]);
    }
    await this.flush();
    this._status$.next('closed');
  }

  /** Acks and naks are only buffered when they are made. */
  private async flush(): Promise<void> {
    if (this.connection.isConnected) await this.connection.nc.flush().catch(() => undefined);
  }
}

function keyOf({ stream, durable }: { stream: string; durable: string }): string {
  return `${stream}/${durable}`;
}

/** Those answers that came and say something. */
async function had<T>(answers: Promise<T | undefined>[]): Promise<T[]> {
  const settled = await Promise.allSettled(answers);
  return settled.flatMap((answer) => (answer.status === 'fulfilled' && answer.value ? [answer.value] : []));
}

/** Of several handlers' failures the one that keeps the message longest: giving up is decided last. */
function worstOf(failures: unknown[]): unknown {
  return failures.find(isRetryLater) ?? failures.find((failure) => !isUnprocessable(failure)) ?? failures[0];
}
