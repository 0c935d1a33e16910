import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { durables, type Service } from '@pavane/contracts';
import { eventually } from '@pavane/testing';
import { ROOT, SERVICES } from '@pavane/tools';
import { run } from './chart/helm.js';
import { metricsIn, OF_PROMETHEUS, OF_THE_EXPORTER, panelExpressions, rules } from './chart/metrics.js';
import { type Collector, startCollector } from './harness/collector.js';
import { HttpClient, type Order } from './harness/http.js';
import { Platform } from './harness/platform.js';

jest.setTimeout(60_000);

let collector: Collector;
let platform: Platform;
beforeAll(async () => {
  collector = await startCollector();
  platform = await Platform.start({
    env: Object.fromEntries(SERVICES.map((service) => [service, { LOG_LEVEL: 'debug' }])),
  });
});
afterAll(async () => {
  await platform?.[Symbol.asyncDispose]();
  await collector?.[Symbol.asyncDispose]();
});

const logOf = (name: string): Record<string, unknown>[] =>
  readFileSync(join(platform.dir, 'logs', `${name}.log`), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const traceparentOf = async (id: string): Promise<string> =>
  (await platform.sql<{ traceparent: string }>('order', 'SELECT traceparent FROM orders WHERE id = $1', [id]))[0]!
    .traceparent;
const traceOf = async (id: string): Promise<string> => (await traceparentOf(id)).split('-')[1]!;

describe.each(SERVICES)('%s', (service) => {
  it('writes nothing but JSON lines, each with its time, level and service', () => {
    for (const line of logOf(service))
      expect(line).toMatchObject({
        timestamp: expect.anything(),
        level: expect.any(String),
        service,
        message: expect.anything(),
      });
  });

  it('writes about an order with the order’s id and trace', async () => {
    const { id } = await platform.place();
    await platform.ended(id, ['notifications.sent']);
    const traceparent = await traceparentOf(id);
    // Refused by its listeners, so that the service has something to say.
    const heard = durables.find((durable) => durable.service === service && durable.stream === 'SAGA')!;
    await platform.broker.publish(platform.broker.event(heard.event, id, {}, { traceparent }));
    const trace = await traceOf(id);
    await eventually(
      () => {
        const lines = logOf(service).filter((line) => line['orderId'] === id);
        expect(lines.map((line) => line['traceId'])).toContain(trace);
      },
      { what: `a line of ${service} about the order` },
    );
  });

  it('shows its requests, handlers, outbox, lag, dead letters and itself at /metrics', async () => {
    const url = platform.local.addresses.http[service];
    await fetch(`${url}/nowhere`);
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    const text = await response.text();
    const names = new Set(
      text
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => line.split(/[{ ]/)[0]!),
    );
    expect([...names]).toEqual(
      expect.arrayContaining([
        'http_server_request_duration_seconds_count',
        'jetstream_handler_duration_count',
        'jetstream_consumer_pending',
        'jetstream_consumer_ack_pending',
        'jetstream_stream_messages',
        'jetstream_stream_oldest_message_age_seconds',
        'jetstream_dead_letters_total',
        'outbox_published_total',
        'outbox_unpublished',
        'outbox_oldest_unpublished_seconds',
        'outbox_quarantined',
        'process_resident_memory_bytes',
        'nodejs_eventloop_lag_p99_seconds',
      ]),
    );
    // Buckets in the unit of the value: a handler of some milliseconds is not in the first of them all.
    expect(text).toMatch(/jetstream_handler_duration_bucket{[^}]*le="0.01"}/);
    const mine = durables.filter((durable) => durable.service === service).map(({ durable }) => durable);
    for (const durable of mine) expect(text).toMatch(new RegExp(`jetstream_consumer_pending{[^}]*"${durable}"`));
    expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });
});

it('the services export what alerting rules and the dashboard ask them for', async () => {
  const pages = SERVICES.map(async (service) =>
    (await fetch(`${platform.local.addresses.http[service]}/metrics`)).text(),
  );
  const exported = new Set((await Promise.all(pages)).join('\n').match(/^[a-z]\w+/gm));
  const asked = [...rules.map(({ expr }) => expr), ...panelExpressions].flatMap(metricsIn);
  // A counter appears with its first count, and nothing was delivered twice or had to wait here.
  const elsewhere = [...OF_THE_EXPORTER, ...OF_PROMETHEUS, 'jetstream_redeliveries_total', 'jetstream_parked_total'];
  expect(asked.filter((name) => !elsewhere.includes(name) && !exported.has(name))).toEqual([]);
});

it('what helm test runs places an order and sees its end', async () => {
  const command = join(ROOT, 'tools/dist/place.js');
  const { code, output } = await run(process.execPath, [command, '--target', platform.local.addresses.http.order]);
  expect(output).toMatch(/order [0-9a-f-]{36} is confirmed/);
  expect(code).toBe(0);
});

it('nothing is exported unless it is configured, and a trace has an id all the same', async () => {
  const { id } = await platform.place();
  await platform.ended(id, ['notifications.sent']);
  expect(await traceOf(id)).toMatch(/^[0-9a-f]{32}$/);
  expect(collector.requests).toBe(0);
});

it('with a collector configured, one order is one unbroken trace across the four services', async () => {
  const exporting = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '200' };
  const urls = new Map<Service, string>();
  for (const service of SERVICES) {
    platform.local.settings.env[service] = exporting;
    urls.set(service, (await platform.addInstance(service)).url);
    expect(await platform.service(service).stop()).toBe(0);
  }
  const door = new HttpClient(urls.get('order')!);
  const orders: Order[] = [await door.place(), await door.place({ items: [{ sku: 'GHOST', quantity: 1 }] })];
  for (const { id } of orders) {
    await eventually(async () => {
      const order = await door.read(id);
      expect(order.history.map(({ event }) => event)).toContain('notifications.sent');
    });
    const trace = await traceOf(id);
    await eventually(
      () => {
        const spans = collector.spans.filter(({ traceId }) => traceId === trace);
        expect([...new Set(spans.map(({ service }) => service))].toSorted()).toEqual([...SERVICES].toSorted());
        const known = new Set(spans.map(({ spanId }) => spanId));
        const first = spans.filter(({ parentSpanId }) => !known.has(parentSpanId));
        expect(first.map(({ service, name, parentSpanId }) => ({ service, name, parentSpanId }))).toEqual([
          { service: 'order', name: expect.stringContaining('POST'), parentSpanId: '' },
        ]);
        const steps = spans
          .filter(({ name }) => name.startsWith('process '))
          .map((span) => `${span.service} ${span.name}`);
        expect(steps).toEqual(
          expect.arrayContaining(['payment process orders.created.*', 'inventory process payments.completed.*']),
        );
      },
      { what: `the whole trace of order ${id}` },
    );
  }
});
