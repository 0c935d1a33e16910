import type { Msg, Subscription as NatsSubscription } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import type { MessageHandler, WritePacket } from '@nestjs/microservices';
import { finalize, isObservable, type Observable } from 'rxjs';
import type { JetStreamConnection } from '../connection/connection.js';
import { toError } from '../errors.js';
import { Gate } from '../consume/gate.js';
import { RequestContext } from '../nest/jetstream.context.js';
import type { Settings } from '../nest/options.js';
import type { Overdue } from '../consume/overdue.js';

/** What is told of a failure whose details are nobody's business; Nest's own words. */
const UNANSWERABLE = { status: 'error', message: 'Internal server error' };

/** What is told of a request that there is no room for. */
const BUSY = { status: 'error', message: 'Too many requests are under way. Try again later.' };

/** What Nest's base class does with a request. */
export interface NestServer {
  hooked(context: RequestContext, work: (end: () => void) => Promise<void>): void;
  send(stream: Observable<unknown>, respond: (reply: WritePacket) => void): void;
}

/** Answers requests over core NATS: one instance of the service answers each, so many at a time. */
export class Requests {
  private readonly logger = new Logger(Requests.name);
  private readonly subscriptions: NatsSubscription[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private readonly gate: Gate;

  constructor(
    private readonly connection: JetStreamConnection,
    private readonly settings: Pick<Settings, 'service' | 'requestConcurrency' | 'deadlineMs'>,
    private readonly overdue: Overdue,
    private readonly nest: NestServer,
  ) {
    this.gate = new Gate(settings.requestConcurrency);
  }

  /** Requests that run or wait. */
  get running(): number {
    return this.underWay.size;
  }

  answer(pattern: string, handler: MessageHandler): void {
    const subscription = this.connection.nc.subscribe(pattern, {
      queue: this.settings.service,
      callback: (error, message) => {
        if (error) this.logger.error({ message: 'request subscription failed', pattern, error: error.message });
        else this.receive(pattern, handler, message);
      },
    });
    this.subscriptions.push(subscription);
  }

  /** Takes no more of them. */
  async stop(): Promise<void> {
    await Promise.all(this.subscriptions.filter((one) => !one.isClosed()).map((one) => one.drain()));
  }

  /** Resolves when all that were taken are answered. */
  async finish(): Promise<void> {
    await Promise.all(this.underWay);
  }

  private receive(pattern: string, handler: MessageHandler, message: Msg): void {
    let packet: { id?: string; data?: unknown };
    try {
      packet = message.json<{ id?: string; data?: unknown } | null>() ?? {};
    } catch {
      const err = { status: 'error', message: 'The request is not JSON.' };
      message.respond(JSON.stringify({ err, isDisposed: true }));
      return;
    }
    const request = this.gate.run(() => this.inTime(pattern, handler, message, packet));
    if (!request) {
      message.respond(JSON.stringify({ err: BUSY, isDisposed: true, id: packet.id }));
      return;
    }
    this.underWay.add(request);
    void request.finally(() => this.underWay.delete(request));
  }

  /** Never rejects. */
  private async inTime(
    pattern: string,
    handler: MessageHandler,
    message: Msg,
    packet: { id?: string; data?: unknown },
  ) {
    const { deadlineMs } = this.settings;
    try {
      await this.overdue.within({ durable: pattern, key: packet.id ?? '', deadlineMs }, () =>
        this.handle(handler, message, packet),
      );
    } catch (error) {
      this.logger.error(toError(error));
      message.respond(JSON.stringify({ err: UNANSWERABLE, isDisposed: true, id: packet.id }));
    }
  }

  private handle(handler: MessageHandler, message: Msg, packet: { id?: string; data?: unknown }): Promise<void> {
    const context = new RequestContext([message]);
    return new Promise<void>((resolve) => {
      const respond = (reply: WritePacket) => {
        const err = reply.err instanceof Error ? { status: 'error', message: reply.err.message } : reply.err;
        try {
          message.respond(JSON.stringify({ ...reply, err, id: packet.id }));
        } catch (error) {
          // Too large, or nothing that JSON can say: whoever asked is told so rather than left to wait.
          this.logger.error({ message: 'a reply could not be sent', subject: message.subject, error });
          if (reply.err === undefined) respond({ err: UNANSWERABLE, isDisposed: true });
        }
        if (reply.isDisposed) resolve();
      };
      // Nest's own handleRequest makes a stream of every answer.
      this.nest.hooked(context, async (end) => {
        try {
          const result: unknown = await handler(packet.data, context);
          if (isObservable(result)) this.nest.send(result.pipe(finalize(end)), respond);
          else {
            end();
            respond({ response: result, isDisposed: true });
          }
        } catch (error) {
          // Nest's filters have turned every failure of a handler into a stream; one of them has failed itself.
          end();
          this.logger.error(toError(error));
          respond({ err: UNANSWERABLE, isDisposed: true });
        }
      });
    });
  }
}
