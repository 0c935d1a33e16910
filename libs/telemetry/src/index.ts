/** Public API of @pavane/telemetry. Starting the SDK is `node --import @pavane/telemetry/register`. */
export { currentTraceId, measureRequests, traceRequests } from './http.js';
export { JsonLogger, type JsonLoggerOptions } from './json-logger.js';
export { ORDER_ID, orderIdOf } from './order-id.js';
export { renderMetrics, shutdownTelemetry } from './runtime.js';
export { serviceName } from './service-name.js';
