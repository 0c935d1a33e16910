/**
 * Starts telemetry before the app is loaded: `node --import @pavane/telemetry/register dist/main.js`.
 *
 * Metrics are always on. Traces are recorded and sent when OTEL_EXPORTER_OTLP_ENDPOINT (or its traces variant) is set;
 * without it trace ids still exist, reach the logs and travel in `traceparent`, but nothing is recorded or patched.
 * `OTEL_SDK_DISABLED=true` turns everything off. The usual `OTEL_*` variables apply.
 */
import { observeProcess } from './process-metrics.js';
import { install } from './runtime.js';
import { serviceName } from './service-name.js';

const env = process.env;

if (env['OTEL_SDK_DISABLED'] !== 'true') {
  const exporting =
    Boolean(env['OTEL_EXPORTER_OTLP_ENDPOINT'] || env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) &&
    env['OTEL_TRACES_EXPORTER'] !== 'none';
  // Loaded on demand: the exporting SDK costs about 100 ms of boot that a process without a collector need not pay.
  const { start } = exporting ? await import('./exporting.js') : await import('./propagating.js');
  install(await start(serviceName()));
  observeProcess();
}
