import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { connect, createInbox, errors, type NatsConnection } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { RetryLater, toError } from '../errors.js';
import type { JetStreamOptions } from '../nest/options.js';
import { Replies } from '../requests/replies.js';

/** Between attempts at the first connection; the client's own reconnect pause is the same. */
const RECONNECT_PAUSE_MS = 500;

/** What a server may take to greet: one that accepts and says nothing must not keep a client from the next. */
const GREETING_MS = 3_000;

type ConnectionEvents = { connect: []; reconnect: []; disconnect: []; forbidden: [subject: string] };

/**
 * The one connection of a process. It is made in the background and for ever: a service answers HTTP while its broker
 * is away. Buffers nothing: what is sent while disconnected is refused.
 */
export class JetStreamConnection {
  private readonly logger = new Logger(JetStreamConnection.name);
  private readonly events = new EventEmitter<ConnectionEvents>();
  private readonly stopped = new AbortController();
  private connection: { nc: NatsConnection; js: JetStreamClient; jsm: JetStreamManager } | undefined;
  private inbox: Replies | undefined;
  private connecting: Promise<void> | undefined;
  private draining: Promise<void> | undefined;
  private up = false;
  private failure: string | undefined;

  constructor(private readonly options: Pick<JetStreamOptions, 'service' | 'connection' | 'onFatal'>) {
    this.events.setMaxListeners(0);
  }

  /** Whether the broker can be reached at this moment. */
  get isConnected(): boolean {
    return this.up;
  }

  /** What keeps this process from the broker, while it is kept, and what to look at. */
  get trouble(): string {
    const why = this.failure ? ` (${this.failure})` : '';
    return `The broker cannot be reached${why}. It is being tried again; check NATS_URL and NATS_NKEY_FILE.`;
  }

  get nc(): NatsConnection {
    return this.established().nc;
  }

  get js(): JetStreamClient {
    return this.established().js;
  }

  get jsm(): JetStreamManager {
    return this.established().jsm;
  }

  /** Where replies arrive. */
  get replies(): Replies {
    const forget = () => (this.inbox = undefined);
    return (this.inbox ??= new Replies(this.nc, createInbox(this.options.connection.inboxPrefix), forget));
  }

  /** Connects in the background, trying for ever. Safe to call more than once. */
  start(): void {
    this.connecting ??= this.connectForEver();
    this.connecting.catch(() => undefined);
  }

  /** Resolves after the first connection was made; rejects when the connection was closed before. */
  async ready(): Promise<void> {
    this.start();
    await this.connecting;
  }

  /**
   * Every first and later connection (`connect`), later ones (`reconnect`), losses (`disconnect`), and subjects that
   * something was published on without permission (`forbidden`).
   */
  on<Event extends keyof ConnectionEvents>(
    event: Event,
    listener: (...args: ConnectionEvents[Event]) => void,
  ): () => void {
    this.events.on(event, listener as never);
    return () => this.events.off(event, listener as never);
  }

  /** Sends what is outstanding, then closes; returns at once when there is no connection. Idempotent. */
  drain(): Promise<void> {
    return (this.draining ??= this.close());
  }

  private async close(): Promise<void> {
    this.stopped.abort();
    const nc = this.connection?.nc;
    if (!nc || nc.isClosed()) return;
    // Draining waits for a reply from the broker, which cannot come while it is away.
    await (this.up ? nc.drain() : nc.close());
  }

  private established() {
    if (this.connection) return this.connection;
    throw new RetryLater(this.trouble);
  }

  private async connectForEver(): Promise<void> {
    // Not the client's waitOnFirstConnect: that loop can neither be stopped nor say why it has not succeeded.
    while (!this.stopped.signal.aborted) {
      try {
        await this.connectOnce();
        if (this.connection) return;
      } catch (error) {
        const { message } = toError(error);
        if (message !== this.failure) this.logger.warn({ message: 'broker not reached, trying on', error: message });
        this.failure = message;
        await sleep(RECONNECT_PAUSE_MS, undefined, { signal: this.stopped.signal }).catch(() => undefined);
      }
    }
    throw new RetryLater('The connection was closed before the broker was reached.');
  }

  private async connectOnce(): Promise<void> {
    const nc = await connect({
      name: this.options.service,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_PAUSE_MS,
      pingInterval: 5_000,
      timeout: GREETING_MS,
      noAsyncTraces: true,
      ...this.options.connection,
    });
    if (this.stopped.signal.aborted) return nc.close();
    this.connection = { nc, js: jetstream(nc), jsm: await jetstreamManager(nc, { checkAPI: false }) };
    void this.followStatus(nc);
    void this.watchForEnd(nc);
    this.up = true;
    this.failure = undefined;
    this.logger.log({ message: 'connected to the broker', server: nc.getServer() });
    this.events.emit('connect');
  }

  private async followStatus(nc: NatsConnection): Promise<void> {
    for await (const status of nc.status()) {
      if (status.type === 'disconnect') {
        this.up = false;
        this.logger.warn({ message: 'broker lost, reconnecting', server: status.server });
        this.events.emit('disconnect');
      } else if (status.type === 'reconnect') {
        this.up = true;
        this.logger.log({ message: 'reconnected to the broker', server: status.server });
        this.events.emit('connect');
        this.events.emit('reconnect');
      } else if (status.type === 'error') {
        const { error } = status;
        this.logger.error({ message: 'the broker reported an error', error: error.message });
        if (error instanceof errors.PermissionViolationError && error.operation === 'publish')
          this.events.emit('forbidden', error.subject);
      }
    }
  }

  private async watchForEnd(nc: NatsConnection): Promise<void> {
    const cause = await nc.closed();
    this.up = false;
    // What the client itself does not say of an end that was asked for.
    this.events.emit('disconnect');
    if (this.stopped.signal.aborted) return;
    const error = new Error(
      `The connection of ${this.options.service} to its broker is closed for good: ${cause?.message ?? 'no reason given'}. Restart the process.`,
      { cause },
    );
    this.logger.error(error);
    if (this.options.onFatal) this.options.onFatal(error);
    else process.exit(1);
  }
}
