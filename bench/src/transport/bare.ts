/** The client without a framework, by hand: the same events with the same ids, handled as many at a time. */
import { jetstream, type JsMsg } from '@nats-io/jetstream';
import { connect as connectNats, headers, type MsgHdrs } from '@nats-io/transport-node';
import { v7 } from 'uuid';
import type { Measured, Publisher } from './contender.js';
import { envelopeOf } from './envelope.js';
import { CONCURRENCY, DURABLE, REQUESTS, STREAM, SUBJECT } from './topology.js';

export { provision } from './topology.js';

/** Messages asked for ahead: as many as the durable lets be unacknowledged, since fewer cost more round trips. */
const PREFETCH = 500;

export async function consume(url: string, hear: (event: Measured) => void): Promise<void> {
  const nc = await connectNats({ servers: url, noAsyncTraces: true });
  nc.subscribe(REQUESTS, {
    queue: 'bench',
    callback: (_error, message) => void message.respond(JSON.stringify({ n: message.json<{ n: number }>().n })),
  });
  await nc.flush();
  const consumer = await jetstream(nc).consumers.get(STREAM, DURABLE);
  const messages = await consumer.consume({ max_messages: PREFETCH, expires: 5_000 });
  const handler = async (event: Measured) => hear(event);
  let running = 0;
  let free: (() => void) | undefined;
  const handle = async (message: JsMsg) => {
    try {
      await handler(message.json<Measured>());
      message.ack();
    } catch {
      message.nak();
    }
    running--;
    free?.();
  };
  void (async () => {
    for await (const message of messages) {
      if (running === CONCURRENCY) await new Promise<void>((resolve) => (free = resolve));
      running++;
      void handle(message);
    }
  })();
}

/** @param variant `idOnly`: without the envelope, the message id as the only header */
export async function connect(url: string, variant?: string): Promise<Publisher> {
  const nc = await connectNats({ servers: url, noAsyncTraces: true });
  const js = jetstream(nc);
  return {
    publish: (event) => {
      const msgID = v7();
      const options = variant === 'idOnly' ? { msgID } : { msgID, headers: headersOf(msgID) };
      return js.publish(`${SUBJECT}.${msgID}`, JSON.stringify(event), options);
    },
    request: async (n) => {
      const reply = await nc.request(REQUESTS, JSON.stringify({ n }), { timeout: 10_000 });
      return reply.json<{ n: number }>().n;
    },
  };
}

function headersOf(id: string): MsgHdrs {
  const { type, source, subject, time, traceparent } = envelopeOf(id);
  const result = headers();
  result.set('ce-specversion', '1.0');
  result.set('ce-id', id);
  result.set('ce-type', type);
  result.set('ce-source', source);
  result.set('ce-subject', subject);
  result.set('ce-time', time);
  result.set('content-type', 'application/json');
  result.set('traceparent', traceparent!);
  return result;
}
