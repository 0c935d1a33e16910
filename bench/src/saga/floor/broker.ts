import { jetstream } from '@nats-io/jetstream';
import { connect, createInbox, headers as newHeaders, type NatsConnection } from '@nats-io/transport-node';
import { durables } from '@pavane/contracts';
import type { Heard } from './work.js';

/** As many as a consumer of the topology may have unacknowledged. */
const PREFETCH = 500;
/** A PubAck that has not come by then is not coming. */
const RESEND_MS = 5_000;

/** An outbox row on its way out. */
export interface Stored {
  id: string;
  orderId: string;
  subject: string;
  headers: Record<string, string>;
  data: string;
}

interface Outstanding {
  row: Stored;
  sentAt: number;
  stored(): void;
}

/** JetStream without a promise, a timer or a subscription for each message. */
export class Broker {
  readonly #inbox = createInbox();
  readonly #outstanding = new Map<string, Outstanding>();
  #sent = 0;

  private constructor(
    private readonly nc: NatsConnection,
    private readonly fail: (error: unknown) => void,
  ) {
    nc.subscribe(`${this.#inbox}.*`, { callback: (_, { subject, data }) => this.#settle(subject, data) });
    setInterval(() => this.#resend(), RESEND_MS).unref();
    void nc.closed().then((error) => fail(error ?? new Error('the connection to the broker was closed')));
  }

  static async connect(url: string, fail: (error: unknown) => void): Promise<Broker> {
    return new Broker(await connect({ servers: url.split(','), maxReconnectAttempts: -1 }), fail);
  }

  /** Calls back when the broker has stored the message; until then it is sent again now and again. */
  publish(row: Stored, stored: () => void): void {
    const outstanding = { row, stored, sentAt: performance.now() };
    const reply = `${this.#inbox}.${++this.#sent}`;
    this.#outstanding.set(reply, outstanding);
    this.#send(reply, row);
  }

  /** Hands every event of a durable on; it is acknowledged when it is done. */
  async hear<Data>(durable: string, take: (heard: Heard<Data>) => void): Promise<void> {
    const { stream } = durables.find((known) => known.durable === durable)!;
    const consumer = await jetstream(this.nc).consumers.get(stream, durable);
    await consumer.consume({
      max_messages: PREFETCH,
      callback: (message) => {
        const { headers, subject } = message;
        take({
          event: headers!.get('ce-id'),
          orderId: subject.slice(subject.lastIndexOf('.') + 1),
          traceparent: headers!.get('traceparent'),
          data: message.json<Data>(),
          done: () => message.ack(),
        });
      },
    });
  }

  #send(reply: string, { id, subject, headers, data }: Stored): void {
    const all = newHeaders();
    for (const name in headers) all.set(name, headers[name]!);
    all.set('Nats-Msg-Id', id);
    this.nc.publish(subject, data, { reply, headers: all });
  }

  #settle(reply: string, data: Uint8Array): void {
    const outstanding = this.#outstanding.get(reply);
    if (!outstanding) return;
    const answer = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
    // No answer at all: nobody listens on the subject, as while a leader is being elected.
    if (answer === '') return;
    if (answer.includes('"error"')) return this.fail(new Error(`${outstanding.row.subject} was refused: ${answer}`));
    this.#outstanding.delete(reply);
    outstanding.stored();
  }

  #resend(): void {
    const now = performance.now();
    for (const [reply, outstanding] of this.#outstanding) {
      if (now - outstanding.sentAt < RESEND_MS) continue;
      outstanding.sentAt = now;
      this.#send(reply, outstanding.row);
    }
  }
}
