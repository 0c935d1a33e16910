import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { ClientProxy, type ReadPacket, type WritePacket } from '@nestjs/microservices';
import { context, propagation } from '@opentelemetry/api';
import type { JetStreamConnection } from '../connection/connection.js';
import { toHeaders, toMsgHdrs } from '../publish/envelope.js';
import { RetryLater } from '../errors.js';
import { JetStreamRecord } from '../publish/jetstream.record.js';
import type { JetStreamOptions } from '../nest/options.js';
import type { JetStreamPublisher } from '../publish/publisher.js';
import { lastToken } from '../subject.js';
import { uuidv7 } from '../publish/uuid.js';

/** How long the first reply to a request may take. Use rxjs `timeout` for less. */
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * `emit` publishes an event through JetStream and completes with its PubAck; `send` asks over core NATS, answered by
 * one instance of the service that has a `@MessagePattern` for it. Shares the process's connection, so `close` is
 * left to its owner.
 */
export class JetStreamClient extends ClientProxy {
  constructor(
    private readonly connection: JetStreamConnection,
    private readonly publisher: JetStreamPublisher,
    private readonly options: Pick<JetStreamOptions, 'service'>,
  ) {
    super();
  }

  /** Rejects with `RetryLater` when the broker was never reached, rather than waiting for it. */
  async connect(): Promise<NatsConnection> {
    return this.connection.nc;
  }

  async close(): Promise<void> {
    // The connection is not the client's.
  }

  unwrap<T = NatsConnection>(): T {
    return this.connection.nc as T;
  }

  protected async dispatchEvent<T>(packet: ReadPacket): Promise<T> {
    const subject = this.normalizePattern(packet.pattern);
    const record = packet.data instanceof JetStreamRecord ? packet.data : new JetStreamRecord(packet.data);
    const id = record.options.id ?? uuidv7();
    const key = lastToken(subject);
    const headers = {
      ...toHeaders({
        id,
        type: record.options.type ?? subject.slice(0, -key.length - 1),
        source: this.options.service,
        subject: key,
        time: new Date().toISOString(),
      }),
      ...packet.metadata,
      ...record.options.headers,
    };
    return (await this.publisher.publish({ subject, id, headers, data: JSON.stringify(record.data) })) as T;
  }

  protected publish(packet: ReadPacket, callback: (reply: WritePacket) => void): () => void {
    const { nc, replies } = this.connection;
    const subject = this.normalizePattern(packet.pattern);
    const { id } = this.assignPacketId(packet);
    const late = setTimeout(() => {
      end();
      callback({
        err: new RetryLater(`'${subject}' was not answered within ${REQUEST_TIMEOUT_MS} ms. Try again later.`),
      });
    }, REQUEST_TIMEOUT_MS);
    const { address, forget } = replies.expect((error, message) => {
      clearTimeout(late);
      const reply = error ? { err: error } : this.read(subject, id, message);
      if (reply?.err !== undefined || reply?.isDisposed) forget();
      if (reply) callback(reply);
    });
    const end = () => {
      clearTimeout(late);
      forget();
    };
    const headers: Record<string, string> = { ...packet.metadata };
    propagation.inject(context.active(), headers);
    try {
      nc.publish(subject, JSON.stringify({ id, pattern: packet.pattern, data: packet.data as unknown }), {
        reply: address,
        headers: toMsgHdrs(headers),
      });
    } catch (error) {
      end();
      throw error;
    }
    return end;
  }

  private read(subject: string, id: string, message: Msg): WritePacket | undefined {
    if (message.data.length === 0 && message.headers?.code === 503) {
      return { err: new RetryLater(`Nobody answers '${subject}'. Start the service that has its handler.`) };
    }
    let reply: WritePacket & { id?: string };
    try {
      reply = message.json();
    } catch (cause) {
      return { err: new Error(`The reply of '${subject}' is not JSON. Correct what answers it.`, { cause }) };
    }
    const { id: of, err, response, isDisposed } = reply;
    if (of !== undefined && of !== id) return undefined;
    return err !== undefined && err !== null
      ? { err, isDisposed: true }
      : { response, isDisposed: isDisposed ?? false };
  }
}
