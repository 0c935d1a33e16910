import type { JetStreamManager } from '@nats-io/jetstream';
import { headers as newHeaders, type NatsConnection } from '@nats-io/transport-node';
import { ceType, durables, type EventType, sourceOf, subjectOf } from '@pavane/contracts';
import { toHeaders } from '@pavane/jetstream';
import { v7 as uuidv7 } from 'uuid';

export interface RawMessage {
  subject: string;
  headers: Record<string, string>;
  data: string;
  /** The `Nats-Msg-Id`; without it the stream does not recognise a repetition. */
  msgId?: string;
}

export interface DeadLetter {
  durable: string;
  subject: string;
  reason: string;
  headers: Record<string, string>;
  data: string;
}

export interface GivenBack {
  durable: string;
  /** Of the message, in its stream. */
  sequence: number;
}

const FOR_LONG = 3_600_000;

/** The broker as somebody with full rights sees it: publishes anything, holds back single steps of the saga. */
export class Broker {
  constructor(
    private readonly connection: () => Promise<NatsConnection>,
    private readonly manager: () => Promise<JetStreamManager>,
  ) {}

  async publish({ subject, headers, data, msgId }: RawMessage): Promise<{ seq: number; duplicate: boolean }> {
    const js = (await this.manager()).jetstream();
    const sent = newHeaders();
    for (const [name, value] of Object.entries(headers)) sent.append(name, value);
    const { seq, duplicate } = await js.publish(subject, data, { headers: sent, ...(msgId && { msgID: msgId }) });
    return { seq, duplicate };
  }

  /** A well-formed event as its rightful source would say it; each part can be replaced. */
  event(type: EventType, orderId: string, data: object | string, change: Record<string, string> = {}): RawMessage {
    const event = {
      id: uuidv7(),
      type: ceType(type),
      source: sourceOf(type),
      subject: orderId,
      time: new Date().toISOString(),
    };
    return {
      subject: subjectOf(type, orderId),
      headers: { ...toHeaders(event), ...change },
      data: typeof data === 'string' ? data : JSON.stringify(data),
    };
  }

  /** Holds one step of the saga back: its durable keeps what it hears and delivers nothing until `release`. */
  async hold(...names: string[]): Promise<void> {
    const jsm = await this.manager();
    for (const name of names) await jsm.consumers.pause(streamOf(name), name, new Date(Date.now() + FOR_LONG));
  }

  async release(...names: string[]): Promise<void> {
    const jsm = await this.manager();
    await Promise.all(names.map((name) => jsm.consumers.resume(streamOf(name), name)));
  }

  /** How many messages a durable has yet to be given. */
  async waiting(durable: string): Promise<number> {
    return (await (await this.manager()).consumers.info(streamOf(durable), durable)).num_pending;
  }

  /** How many deliveries were made to a durable so far, repetitions included. */
  async deliveries(durable: string): Promise<number> {
    const { delivered } = await (await this.manager()).consumers.info(streamOf(durable), durable);
    return delivered.consumer_seq;
  }

  /** Fills up with every message that a service gives back unfinished from now on. */
  async givenBack(): Promise<GivenBack[]> {
    const nc = await this.connection();
    const givenBack: GivenBack[] = [];
    nc.subscribe('$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED.>', {
      callback: (_, message) => {
        const { consumer, stream_seq } = message.json<{ consumer: string; stream_seq: number }>();
        givenBack.push({ durable: consumer, sequence: stream_seq });
      },
    });
    await nc.flush();
    return givenBack;
  }

  async stored(stream: string): Promise<{ messages: number }> {
    return (await (await this.manager()).streams.info(stream)).state;
  }

  async deadLetters(): Promise<DeadLetter[]> {
    const jsm = await this.manager();
    const { state } = await jsm.streams.info('DLQ');
    const letters: DeadLetter[] = [];
    for (let seq = state.first_seq; state.messages > 0 && seq <= state.last_seq; seq++) {
      const message = await jsm.streams.getMessage('DLQ', { seq });
      if (!message) continue;
      const headers = Object.fromEntries(message.header.keys().map((name) => [name, message.header.get(name)]));
      const [, durable = '', ...subject] = message.subject.split('.');
      letters.push({
        durable,
        subject: subject.join('.'),
        reason: headers['dlq-reason'] ?? '',
        headers,
        data: message.string(),
      });
    }
    return letters;
  }
}

const streamOf = (durable: string): string => durables.find((known) => known.durable === durable)!.stream;
