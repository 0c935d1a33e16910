import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';

/** A trace as it travels: `traceparent` and `tracestate`, or nothing outside a trace. */
export type Trace = Readonly<Record<string, string>>;

/** The trace the current code runs in. */
export function currentTrace(): Trace {
  const trace: Record<string, string> = {};
  propagation.inject(context.active(), trace);
  return trace;
}

/** Runs `work` inside a stored trace, for work that no message started. */
export const inTrace = <T>(traceparent: string | null | undefined, work: () => T): T =>
  traceparent ? context.with(propagation.extract(ROOT_CONTEXT, { traceparent }), work) : work();
