import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { eventually } from '@pavane/testing';
import type { Broker } from './broker.js';
import { type CpuPerMessage, cpuPerMessage } from './cpu.js';
import type { Entry } from './entries.js';
import type { Ledger } from './ledger.js';
import type { Load, Published } from './load.js';
import { Side } from './side.js';

/** Events that are on their way to the broker at a time, as many as the product's publisher has. */
const OUTSTANDING = 256;
/** Events a second of the latency phase: a load that nobody here has trouble with. */
const STEADY_RATE = 500;
/** Events stored for each second that the other phases last. */
const BACKLOG = 10_000;
/** Events after which V8 has optimised what is hot. */
const WARM_UP = 10_000;
/** Longer than any phase: the consumers are resumed by hand. */
const PAUSE_MS = 10 * 60_000;

export interface Requests {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  cpuUs: CpuPerMessage;
}

/** What one turn of one contender came to. Rates are of events or requests a second, CPU time is in microseconds of each. */
export interface Figures {
  events: { perSecond: number; cpuUs: CpuPerMessage };
  latency?: { p50Ms: number; p99Ms: number };
  requests?: { one: Requests; sixtyFour: Requests };
  backlog?: { perSecond: number; cpuUs: CpuPerMessage };
}

/**
 * One contender on a broker of its own: warmed up, then one phase after the other. Rejects when an event was not
 * handled exactly once, or is not acknowledged in the end.
 */
export async function turnOf(entry: Entry, broker: Broker, seconds: number): Promise<Figures> {
  await using consumer = await Side.consumer(entry.module, broker.url, entry.variant);
  await using publisher = await Side.publisher(entry.module, broker.url, entry.variant);
  await using stored = entry.durable && broker.kind === 'nats' ? await Stored.at(broker.url) : undefined;
  const turn = new Turn({ broker, consumer, publisher, stored });

  await turn.warmUp();
  const figures: Figures = { events: await turn.events(seconds) };
  if (!entry.eventsOnly) {
    await turn.requests(64, seconds / 4);
    figures.latency = await turn.latency(seconds);
    figures.requests = { one: await turn.requests(1, seconds / 2), sixtyFour: await turn.requests(64, seconds / 2) };
    if (stored) figures.backlog = await turn.backlog(Math.round(BACKLOG * seconds));
  }
  await turn.audit();
  return figures;
}

interface Parts {
  broker: Broker;
  consumer: Side<Ledger>;
  publisher: Side<Load>;
  /** Where the broker keeps what is not handled, if it does. */
  stored: Stored | undefined;
}

class Turn {
  /** The number of the next event. */
  private next = 0;

  constructor(private readonly parts: Parts) {}

  async warmUp(): Promise<void> {
    await this.published((from) => this.parts.publisher.call('store', from, OUTSTANDING, WARM_UP));
    await this.parts.stored?.settled();
  }

  /** From the first publish until the last event is handled and acknowledged. */
  async events(seconds: number): Promise<Figures['events']> {
    return this.counted(async () => {
      const { startedUs, lastUs } = await this.published((from) =>
        this.parts.publisher.call('burst', from, OUTSTANDING, seconds),
      );
      return lastUs - startedUs;
    });
  }

  /** From when an event was due to be published until it is handled. */
  async latency(seconds: number): Promise<Figures['latency']> {
    await this.published((from) => this.parts.publisher.call('steady', from, STEADY_RATE, seconds));
    await this.parts.stored?.settled();
    return this.parts.consumer.call('latency');
  }

  async requests(atOnce: number, seconds: number): Promise<Requests> {
    const asked = await cpuPerMessage(this.pids, () => this.parts.publisher.call('ask', atOnce, seconds));
    return { perSecond: asked.perSecond, p50Ms: asked.p50Ms, p99Ms: asked.p99Ms, cpuUs: asked.cpuUs };
  }

  /** So many events are stored while nothing is delivered; from when delivery begins until the last one is handled. */
  async backlog(count: number): Promise<Figures['backlog']> {
    const { publisher, consumer, stored } = this.parts;
    await stored!.pause();
    await consumer.call('watch', this.next);
    const { to } = await publisher.call('store', this.next, OUTSTANDING, count - 1);
    await stored!.resume();
    return this.counted(async () => {
      // The broker notices that it is to deliver again when something new is stored, or else at its next heartbeat.
      const last = await publisher.call('store', to, 1, 1);
      const lastUs = await consumer.call('all', last.to);
      this.next = last.to;
      return lastUs - last.startedUs;
    });
  }

  audit(): Promise<void> {
    return this.parts.consumer.call('audit', this.next);
  }

  private async published(publish: (from: number) => Promise<Published>) {
    const { consumer } = this.parts;
    await consumer.call('watch', this.next);
    const { to, startedUs } = await publish(this.next);
    const lastUs = await consumer.call('all', to);
    this.next = to;
    return { startedUs, lastUs };
  }

  /** Events a second and CPU time of each, where `work` resolves to how long it took in microseconds. */
  private async counted(work: () => Promise<number>): Promise<{ perSecond: number; cpuUs: CpuPerMessage }> {
    const from = this.next;
    const { count, tookUs, cpuUs } = await cpuPerMessage(this.pids, async () => {
      const took = await work();
      await this.parts.stored?.settled();
      return { tookUs: took, count: this.next - from };
    });
    return { perSecond: (count / tookUs) * 1e6, cpuUs };
  }

  private get pids() {
    const { broker, publisher, consumer } = this.parts;
    return { broker: broker.pid, publisher: publisher.pid, consumer: consumer.pid };
  }
}

/** The durables of a nats-server, whoever made them. */
class Stored implements AsyncDisposable {
  private constructor(
    private readonly jsm: JetStreamManager,
    private readonly durables: { stream: string; name: string }[],
    private readonly close: () => Promise<void>,
  ) {}

  static async at(url: string): Promise<Stored> {
    const nc = await connect({ servers: url });
    const jsm = await jetstreamManager(nc);
    const durables: { stream: string; name: string }[] = [];
    for await (const { config } of jsm.streams.list())
      for await (const { stream_name: stream, name } of jsm.consumers.list(config.name))
        durables.push({ stream, name });
    if (durables.length === 0) throw new Error('nothing is consumed from the broker: it has no durable');
    return new Stored(jsm, durables, () => nc.close());
  }

  async pause(): Promise<void> {
    const until = new Date(Date.now() + PAUSE_MS);
    for (const { stream, name } of this.durables) await this.jsm.consumers.pause(stream, name, until);
  }

  async resume(): Promise<void> {
    for (const { stream, name } of this.durables) await this.jsm.consumers.resume(stream, name);
  }

  /** Resolves when all that is stored has been delivered and acknowledged. */
  async settled(): Promise<void> {
    for (const { stream, name } of this.durables)
      await eventually(
        async () => {
          const { num_pending: pending, num_ack_pending: unacked } = await this.jsm.consumers.info(stream, name);
          if (pending + unacked > 0) throw new Error(`${pending} events not delivered, ${unacked} not acknowledged`);
        },
        { what: `the acknowledgement of all that durable '${name}' heard` },
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
