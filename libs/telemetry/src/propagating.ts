import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { AlwaysOffSampler, TracerProvider } from '@opentelemetry/sdk-trace';
import { prometheusReader } from './metrics.js';
import type { Telemetry } from './runtime.js';

/** Trace ids without traces: every span is a pair of ids that is passed on and then forgotten. */
export async function start(service: string): Promise<Telemetry> {
  const resource = defaultResource().merge(resourceFromAttributes({ 'service.name': service }));
  const { reader, render } = prometheusReader();
  const meterProvider = new MeterProvider({ resource, readers: [reader] });
  metrics.setGlobalMeterProvider(meterProvider);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(new TracerProvider({ resource, sampler: new AlwaysOffSampler() }));
  return { render, shutdown: () => meterProvider.shutdown() };
}
