import type { IncomingMessage, ServerResponse } from 'node:http';
import { context, metrics, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';

/** Express leaves the matched route on the request; its template keeps ids out of metric labels. */
type Request = IncomingMessage & { originalUrl?: string; route?: { path?: unknown }; baseUrl?: string };
type Middleware = (request: Request, response: ServerResponse, next: (error?: unknown) => void) => void;

/** Probes and scrapes: their numbers would hide the users'. */
const OPERATIONS = /^\/(health|metrics)\b/;

/** Seconds. Ours are short requests: a commit and an answer. */
const BUCKETS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Express middleware that gives every request a trace: the caller's `traceparent` continued, or a new one. Does nothing
 * when the HTTP instrumentation has already done so (that is, when traces are exported).
 */
export function traceRequests(): Middleware {
  const tracer = trace.getTracer('@pavane/telemetry');
  return (request, response, next) => {
    if (trace.getSpan(context.active())) return next();
    const caller = propagation.extract(ROOT_CONTEXT, request.headers);
    const span = tracer.startSpan(request.method ?? 'HTTP', { kind: SpanKind.SERVER }, caller);
    response.once('close', () => span.end());
    context.with(trace.setSpan(caller, span), next);
  };
}

/** Express middleware that measures `http_server_request_duration_seconds` by method, route template and status. */
export function measureRequests(): Middleware {
  const duration = metrics.getMeter('@pavane/telemetry').createHistogram('http_server_request_duration_seconds', {
    description: 'Time from the request line to the end of the response',
    advice: { explicitBucketBoundaries: BUCKETS },
  });
  return (request, response, next) => {
    if (OPERATIONS.test(request.originalUrl ?? request.url ?? '')) return next();
    const start = performance.now();
    response.once('close', () => {
      duration.record((performance.now() - start) / 1000, {
        method: request.method ?? 'GET',
        route: typeof request.route?.path === 'string' ? `${request.baseUrl ?? ''}${request.route.path}` : 'unmatched',
        // A client that went away before the answer is not the server's 200.
        status: response.writableFinished ? response.statusCode : 499,
      });
    });
    next();
  };
}

/** The id of the trace the current code belongs to, for error reports; undefined without one. */
export function currentTraceId(): string | undefined {
  return trace.getSpanContext(context.active())?.traceId;
}
