import { context, createContextKey, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { TracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { eventually } from '@pavane/testing';
import { lastValueFrom } from 'rxjs';
import { JetStreamRecord } from './publish/jetstream.record.js';
import { Broker } from './testing/broker.js';
import { CANCELLED, CREATED, durablesOf, gate, on } from './testing/handlers.js';
import { Service } from './testing/service.js';
import { uuidv7 } from './publish/uuid.js';

class OnDemand extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}

  /** `metric{labels}` → value, or the count of a histogram. */
  async read(): Promise<Record<string, number>> {
    const { resourceMetrics } = await this.collect();
    const found: Record<string, number> = {};
    for (const { metrics: all } of resourceMetrics.scopeMetrics)
      for (const { descriptor, dataPoints } of all)
        for (const { attributes, value } of dataPoints)
          found[`${descriptor.name} ${Object.values(attributes).toSorted().join(' ')}`] =
            typeof value === 'number' ? value : (value as { count: number }).count;
    return found;
  }
}

const exporter = new InMemorySpanExporter();
const reader = new OnDemand();
let broker: Broker;
beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED, CANCELLED), {}, { max_bytes: 100_000 });
});
afterAll(() => broker[Symbol.asyncDispose]());
beforeEach(() => exporter.reset());

const drained = () => eventually(async () => expect(await broker.stored()).toBe(0));

describe('tracing', () => {
  it('continues the trace of an event in its handler, on every delivery, with the order id at hand', async () => {
    const keys: unknown[] = [];
    const traces: (string | undefined)[] = [];
    await using _service = await Service.start(broker.server.url, [
      on(CREATED, (_, { deliveryCount }) => {
        keys.push(context.active().getValue(createContextKey('ce.subject')));
        traces.push(trace.getActiveSpan()?.spanContext().traceId);
        if (deliveryCount === 1) throw new Error('once');
      }),
    ]);
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    await broker.publish('orders.created.o1', {}, { traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    await drained();
    expect(traces).toEqual([traceId, traceId]);
    expect(keys).toEqual(['o1', 'o1']);
    const spans = exporter.getFinishedSpans();
    expect(spans.map(({ name, parentSpanContext }) => [name, parentSpanContext?.spanId])).toEqual([
      ['process orders.created.*', 'b7ad6b7169203331'],
      ['process orders.created.*', 'b7ad6b7169203331'],
    ]);
    expect(spans[0]!.status.message).toBe('once');
    expect(spans[0]!.attributes).toMatchObject({
      'messaging.consumer.group.name': CREATED.durable,
      'ce.subject': 'o1',
    });
  });

  it('starts a span for what is published without a trace, and none for what is relayed with one', async () => {
    const parents: (string | undefined)[] = [];
    await using service = await Service.start(broker.server.url, [
      on(CREATED, (_, { event }) => parents.push(event.traceparent)),
    ]);
    await service.connection.ready();
    const relayed = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await lastValueFrom(service.client.emit('orders.created.o1', {}));
    await lastValueFrom(
      service.client.emit(
        'orders.created.o2',
        new JetStreamRecord({}, { id: uuidv7(), headers: { traceparent: relayed } }),
      ),
    );
    await eventually(() => expect(parents).toHaveLength(2));
    await drained();
    const sent = exporter.getFinishedSpans().filter(({ name }) => name.startsWith('send'));
    expect(sent.map(({ name }) => name)).toEqual(['send orders.created.o1']);
    expect(parents.toSorted()).toEqual(
      [relayed, `00-${sent[0]!.spanContext().traceId}-${sent[0]!.spanContext().spanId}-01`].toSorted(),
    );
  });
});

describe('metrics', () => {
  it('count handlings by outcome, redeliveries and dead letters, and tell the lag at scrape time', async () => {
    const before = await reader.read();
    const slow = gate();
    await using _service = await Service.start(
      broker.server.url,
      [
        on(CANCELLED, (data) => {
          if (data['bad']) throw new TypeError('bad');
        }),
        on(CREATED, () => slow.opened, { concurrency: 1 }),
      ],
      { maxAttempts: 2, backoff: { failed: { firstMs: 500, maxMs: 500 } } },
    );
    await broker.publish('orders.cancelled.o1');
    await drained();
    await broker.publish('orders.cancelled.o2', { bad: true });
    await eventually(async () => expect(await broker.held('PARKED')).toBe(1));
    await broker.publish('orders.cancelled.o3');
    await drained();
    for (let n = 0; n < 10; n++) await broker.publish(`orders.created.o${n}`);
    const { durable } = CANCELLED;
    await eventually(async () => {
      const read = await reader.read();
      const added = (name: string) => (read[name] ?? 0) - (before[name] ?? 0);
      expect(added(`jetstream.handler.duration acked ${durable}`)).toBe(2);
      expect(added(`jetstream.handler.duration failed ${durable}`)).toBe(1);
      expect(added(`jetstream.handler.duration dead-lettered ${durable}`)).toBe(1);
      expect(added(`jetstream.dead_letters TypeError ${durable}`)).toBe(1);
      expect(added(`jetstream.parked ${durable}`)).toBe(1);
      expect(read[`jetstream.consumer.resting ${durable}`]).toBe(0);
      expect(read[`jetstream.handlers.overdue ${durable}`]).toBe(0);
      expect(read[`jetstream.consumer.ack_pending ${CREATED.durable}`]).toBe(2);
      expect(read[`jetstream.consumer.pending ${CREATED.durable}`]).toBe(8);
      expect(read['jetstream.stream.messages SAGA']).toBe(10);
      expect(read['jetstream.stream.oldest_message_age_seconds SAGA']).toBeGreaterThan(0);
      // Ten messages of some 300 bytes.
      expect(read['jetstream.stream.fill_ratio SAGA']).toBeGreaterThan(0.01);
      expect(read['jetstream.stream.fill_ratio SAGA']).toBeLessThan(0.1);
    });
    slow.open();
    await drained();
    expect(await reader.read()).toMatchObject({
      'jetstream.stream.messages SAGA': 0,
      'jetstream.stream.oldest_message_age_seconds SAGA': 0,
      'jetstream.stream.fill_ratio SAGA': 0,
    });
  });

  it('a scrape does not fail or wait for long while the broker is away', async () => {
    await using offline = await Service.start('nats://127.0.0.1:1', [on(CREATED, () => undefined)]);
    expect(offline.connection.isConnected).toBe(false);
    const started = performance.now();
    await reader.read();
    expect(performance.now() - started).toBeLessThan(1_500);
  });
});
