import { context, createContextKey, type Context } from '@opentelemetry/api';

/** Context key under which the transport and the HTTP door keep the order id (`ce-subject`) while they handle one. */
export const ORDER_ID = createContextKey('ce.subject');

/** The order the current code works for, or undefined outside a handler. */
export function orderIdOf(current: Context = context.active()): string | undefined {
  const id = current.getValue(ORDER_ID);
  return typeof id === 'string' ? id : undefined;
}
