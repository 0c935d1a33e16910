import type { ConsumerInfo, StreamInfo } from '@nats-io/jetstream';
import {
  context,
  createContextKey,
  metrics,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type BatchObservableCallback,
  type Span,
} from '@opentelemetry/api';
import type { CloudEvent } from './publish/envelope.js';
import { toError } from './errors.js';

const NAME = '@pavane/jetstream';

/** Holds the key of the event being handled (the order id), so that every log line can carry it. */
export const CE_SUBJECT = createContextKey('ce.subject');

/** Seconds: from a commit to the longest that a call of another system may take. */
const BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** How the handling of one delivery ended. */
export type Outcome = 'acked' | 'away' | 'failed' | 'dead-lettered' | 'skipped' | 'left' | 'behind';

/** Runs `work` in the trace and under the key that a message claims, so that every log line about it carries them. */
export function inContextOf<T>(headers: Record<string, string>, work: () => T): T {
  const about = propagation.extract(context.active(), headers);
  const key = headers['ce-subject'];
  return context.with(key ? about.setValue(CE_SUBJECT, key) : about, work);
}

/** Runs `handle` inside a span of the trace at hand, which is that of the event. Records what it throws. */
export function inConsumerSpan<T>(
  about: { subject: string; filter: string; durable: string; deliveryCount: number; event: CloudEvent },
  handle: () => Promise<T>,
): Promise<T> {
  const attributes = {
    'messaging.system': 'nats',
    'messaging.operation.type': 'process',
    'messaging.destination.name': about.subject,
    'messaging.destination.template': about.filter,
    'messaging.consumer.group.name': about.durable,
    'messaging.message.id': about.event.id,
    'messaging.nats.delivery_count': about.deliveryCount,
    'ce.type': about.event.type,
    'ce.subject': about.event.subject,
  };
  const tracer = trace.getTracer(NAME);
  const options = { kind: SpanKind.CONSUMER, attributes };
  return tracer.startActiveSpan(`process ${about.filter}`, options, (span) => endWith(span, handle));
}

/**
 * Runs `publish` with the headers to send. A message that carries a `traceparent` is a relayed one: the span that
 * wrote it is the parent of what follows, and a span of the relay would only say when it was sent.
 */
export function inProducerSpan<T>(
  message: { subject: string; id: string; headers: Record<string, string> },
  publish: (headers: Record<string, string>) => Promise<T>,
): Promise<T> {
  if (message.headers['traceparent']) return publish(message.headers);
  const attributes = {
    'messaging.system': 'nats',
    'messaging.operation.type': 'send',
    'messaging.destination.name': message.subject,
    'messaging.message.id': message.id,
  };
  const tracer = trace.getTracer(NAME);
  return tracer.startActiveSpan(`send ${message.subject}`, { kind: SpanKind.PRODUCER, attributes }, (span) => {
    const headers = { ...message.headers };
    propagation.inject(context.active(), headers);
    return endWith(span, () => publish(headers));
  });
}

async function endWith<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { message } = toError(error);
    span.recordException(toError(error));
    span.setStatus({ code: SpanStatusCode.ERROR, message });
    throw error;
  } finally {
    span.end();
  }
}

/** The transport's metrics. Made by the server, since a meter taken before the SDK starts would record nothing. */
export class Metrics {
  private readonly meter = metrics.getMeter(NAME);
  private readonly duration = this.meter.createHistogram('jetstream.handler.duration', {
    unit: 's',
    description: 'Time from the start of a handler to its outcome',
    advice: { explicitBucketBoundaries: BUCKETS },
  });
  private readonly deadLetters = this.meter.createCounter('jetstream.dead_letters', {
    description: 'Messages given up, copied to the dead-letter stream',
  });
  private readonly redeliveries = this.meter.createCounter('jetstream.redeliveries', {
    description: 'Deliveries after the first of a message',
  });
  private readonly parkings = this.meter.createCounter('jetstream.parked', {
    description: 'Messages that went to the waiting room, to come back later',
  });
  private readonly resting = this.meter.createObservableGauge('jetstream.consumer.resting', {
    description: '1 while nothing of the durable succeeds in this process, so that it only probes; else 0',
  });
  private readonly overdue = this.meter.createObservableGauge('jetstream.handlers.overdue', {
    description: 'Handlers that run on after their deadline',
  });
  private readonly pending = this.meter.createObservableGauge('jetstream.consumer.pending', {
    description: 'Messages not yet delivered to the durable (its lag)',
  });
  private readonly ackPending = this.meter.createObservableGauge('jetstream.consumer.ack_pending', {
    description: 'Messages delivered to the durable and not yet settled',
  });

  private readonly messages = this.meter.createObservableGauge('jetstream.stream.messages', {
    description: 'Messages in a stream this service listens to',
  });
  private readonly oldest = this.meter.createObservableGauge('jetstream.stream.oldest_message_age_seconds', {
    description: 'How long the oldest message of the stream has been in it; 0 when it is empty',
  });

  private readonly fill = this.meter.createObservableGauge('jetstream.stream.fill_ratio', {
    description: 'How much of its max_bytes the stream holds, 0 to 1; not reported where it has no such limit',
  });

  handled(durable: string, outcome: Outcome, seconds: number): void {
    this.duration.record(seconds, { durable, outcome });
  }

  deadLettered(durable: string, code: string): void {
    this.deadLetters.add(1, { durable, code });
  }

  parked(durable: string): void {
    this.parkings.add(1, { durable });
  }

  /** Reads this process's own state at scrape time. */
  observeState(read: () => readonly { durable: string; resting: boolean; overdue: number }[]): () => void {
    const gauges = [this.resting, this.overdue];
    const callback: BatchObservableCallback = (result) => {
      for (const { durable, resting, overdue } of read()) {
        result.observe(this.resting, resting ? 1 : 0, { durable });
        result.observe(this.overdue, overdue, { durable });
      }
    };
    this.meter.addBatchObservableCallback(callback, gauges);
    return () => this.meter.removeBatchObservableCallback(callback, gauges);
  }

  redelivered(durable: string): void {
    this.redeliveries.add(1, { durable });
  }

  /** Asks the broker at scrape time; what cannot be had within the bound of `inspect` is not reported. */
  observe(inspect: () => Promise<{ consumers: ConsumerInfo[]; streams: StreamInfo[] }>): () => void {
    const gauges = [this.pending, this.ackPending, this.messages, this.oldest, this.fill];
    const callback: BatchObservableCallback = async (result) => {
      const { consumers, streams } = await inspect();
      for (const info of consumers) {
        const labels = { durable: info.name };
        result.observe(this.pending, info.num_pending, labels);
        result.observe(this.ackPending, info.num_ack_pending, labels);
      }
      for (const { config, state } of streams) {
        const labels = { stream: config.name };
        result.observe(this.messages, state.messages, labels);
        const ageMs = state.messages > 0 ? Date.now() - Date.parse(state.first_ts) : 0;
        // The clocks of two machines differ.
        result.observe(this.oldest, Math.max(0, ageMs) / 1_000, labels);
        if (config.max_bytes > 0) result.observe(this.fill, state.bytes / config.max_bytes, labels);
      }
    };
    this.meter.addBatchObservableCallback(callback, gauges);
    return () => this.meter.removeBatchObservableCallback(callback, gauges);
  }
}
