import { jetstream, jetstreamManager, type ConsumerConfig, type StreamConfig } from '@nats-io/jetstream';
import { connect, headers as newHeaders, type NatsConnection } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import { eventually } from '@pavane/testing';
import { startNats, type NatsServer } from '@pavane/testing/servers';
import { toHeaders } from '../publish/envelope.js';
import { apply, type Topology } from '../provisioning.js';
import { lastToken } from '../subject.js';
import { uuidv7 } from '../publish/uuid.js';
import { roomDurable, roomSubject } from '../failures/waiting-room.js';

Logger.overrideLogger(process.env['TEST_LOGS'] ? ['log', 'error', 'warn', 'debug'] : false);

/** A broker of its own for a suite, and a connection to look at it with. */
export class Broker implements AsyncDisposable {
  private constructor(
    readonly server: NatsServer,
    readonly nc: NatsConnection,
  ) {}

  static async start(options: Parameters<typeof startNats>[0] = {}): Promise<Broker> {
    const server = await startNats(options);
    return new Broker(server, await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 }));
  }

  /** Streams SAGA, DLQ and PARKED, bucket attempts, and a durable for each `durable: filter`. */
  async provision(
    durables: Record<string, string>,
    consumer: Partial<ConsumerConfig> = {},
    stream: Partial<StreamConfig> = {},
  ) {
    const { streams, buckets } = topology(durables, consumer, stream);
    await apply(this.nc, { streams: [...streams, waitingRoom(Object.keys(durables), consumer)], buckets });
  }

  /** Publishes a well-formed event; returns its id. */
  async publish(subject: string, data: unknown = {}, headers: Record<string, string> = {}): Promise<string> {
    const id = uuidv7();
    const event = {
      id,
      type: 'orders.created.v1',
      source: 'order',
      subject: lastToken(subject),
      time: new Date().toISOString(),
    };
    const all = newHeaders();
    for (const [name, value] of Object.entries({ ...toHeaders(event), ...headers })) all.set(name, value);
    await jetstream(this.nc).publish(subject, JSON.stringify(data), { msgID: id, headers: all });
    return id;
  }

  async deadLetters(): Promise<{ subject: string; headers: Record<string, string>; data: string; seq: number }[]> {
    const jsm = await jetstreamManager(this.nc);
    const { state } = await jsm.streams.info('DLQ');
    const found = [];
    for (let seq = state.first_seq; state.messages > 0 && seq <= state.last_seq; seq++) {
      const stored = await jsm.streams.getMessage('DLQ', { seq });
      if (!stored) continue;
      const headers = Object.fromEntries(stored.header.keys().map((name) => [name, stored.header.get(name)]));
      found.push({ subject: stored.subject, headers, data: stored.string(), seq });
    }
    return found;
  }

  /** Resolves when this connection has found the broker again after a restart. */
  async reachable(): Promise<void> {
    await eventually(() => this.nc.request('$JS.API.INFO', '', { timeout: 200 }));
  }

  /** Messages that somebody still has to handle: in SAGA, and in the waiting room where there is one. */
  async stored(): Promise<number> {
    return (await this.held('SAGA')) + (await this.held('PARKED').catch(() => 0));
  }

  /** Resolves when nothing waits on the durable and nothing is stored: its messages are done with. */
  async settled(durable: string): Promise<void> {
    await eventually(async () => {
      const { num_pending, num_ack_pending } = await this.consumer(durable);
      const left = { num_pending, num_ack_pending, stored: await this.stored() };
      if (Object.values(left).some((count) => count > 0)) throw new Error(`not settled: ${JSON.stringify(left)}`);
    });
  }

  async held(stream: string): Promise<number> {
    return (await (await jetstreamManager(this.nc)).streams.info(stream)).state.messages;
  }

  async consumer(durable: string, stream = 'SAGA') {
    return (await jetstreamManager(this.nc)).consumers.info(stream, durable);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nc.close();
    await this.server[Symbol.asyncDispose]();
  }
}

export function topology(
  durables: Record<string, string>,
  consumer: Partial<ConsumerConfig> = {},
  stream: Partial<StreamConfig> = {},
): Topology {
  return {
    streams: [
      {
        config: { name: 'SAGA', subjects: ['orders.>'], retention: 'interest', ...stream },
        consumers: Object.entries(durables).map(([durable_name, filter_subject]) => ({
          durable_name,
          filter_subject,
          ack_policy: 'explicit',
          max_deliver: -1,
          max_ack_pending: 1000,
          ack_wait: 5e9,
          ...consumer,
        })),
      },
      { config: { name: 'DLQ', subjects: ['dlq.>'], retention: 'limits', duplicate_window: 600e9 } },
    ],
    buckets: [{ name: 'attempts', ttl: 3600e9 }],
  };
}

function waitingRoom(durables: readonly string[], consumer: Partial<ConsumerConfig>): Topology['streams'][number] {
  return {
    config: {
      name: 'PARKED',
      subjects: ['parked.wait.>', 'parked.due.>'],
      retention: 'workqueue',
      allow_msg_schedules: true,
    },
    consumers: durables.map((durable) => ({
      durable_name: roomDurable({ stream: 'SAGA', durable }),
      filter_subject: roomSubject({ stream: 'SAGA', durable }),
      ack_policy: 'explicit',
      max_deliver: -1,
      max_ack_pending: 1000,
      ack_wait: 5e9,
      ...consumer,
    })),
  };
}
