import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { AggregationType } from '@opentelemetry/sdk-metrics';
import { prometheusReader } from './metrics.js';
import type { Telemetry } from './runtime.js';

/** Probes and scrapes come every few seconds and would drown the traces that matter. */
const NOT_TRACED = /^\/(health|metrics)\b/;

/** The full SDK: spans of HTTP, Express, PostgreSQL and of our own libraries go to the collector in batches. */
export async function start(service: string): Promise<Telemetry> {
  // The hook has to be in place before Express is imported; the include list keeps it from touching anything else.
  const { register } = await import('import-in-the-middle/register-hooks.mjs');
  register({ include: ['express'] });
  const [{ NodeSDK }, { HttpInstrumentation }, { ExpressInstrumentation, ExpressLayerType }, { PgInstrumentation }] =
    await Promise.all([
      import('@opentelemetry/sdk-node'),
      import('@opentelemetry/instrumentation-http'),
      import('@opentelemetry/instrumentation-express'),
      import('@opentelemetry/instrumentation-pg'),
    ]);
  const { reader, render } = prometheusReader();
  const sdk = new NodeSDK({
    serviceName: service,
    traceExporter: new OTLPTraceExporter(),
    metricReaders: [reader],
    logRecordProcessors: [],
    // The service library measures requests in both modes; the instrumentations' own would be a second set of numbers.
    views: ['http', 'express', 'pg'].map((name) => ({
      meterName: `@opentelemetry/instrumentation-${name}`,
      aggregation: { type: AggregationType.DROP },
    })),
    instrumentations: [
      new HttpInstrumentation({ ignoreIncomingRequestHook: (request) => NOT_TRACED.test(request.url ?? '') }),
      new ExpressInstrumentation({ ignoreLayersType: [ExpressLayerType.MIDDLEWARE] }),
      // Polling loops run without a parent and would make a trace of every empty poll.
      new PgInstrumentation({ requireParentSpan: true }),
    ],
  });
  sdk.start();
  return { render, shutdown: () => sdk.shutdown() };
}
