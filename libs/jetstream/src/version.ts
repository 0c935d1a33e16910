import type { JsMsg } from '@nats-io/jetstream';
import { RetryLater, toError, Unprocessable } from './errors.js';
import type { Subscription } from './subscription.js';

/** Longer than any deploy takes: what nobody knows by then is a mistake, and one mistake must not make a durable rest for ever. */
const NEWER_KEPT_MS = 3_600_000;

const VERSIONED = /^(.+)\.v(\d+)$/;

/** Whether `type` is a later version of the event `known`, as `orders.created.v2` is of `orders.created.v1`. */
export function isNewer(type: string, known: string): boolean {
  const [, name, version] = VERSIONED.exec(type) ?? [];
  const [, knownName, knownVersion] = VERSIONED.exec(known) ?? [];
  return name !== undefined && name === knownName && Number(version) > Number(knownVersion);
}

/**
 * During a deploy an event may come to an instance that is older than the one that said it. Throws `RetryLater`, so that
 * this instance rests and one that knows the version has it; after an hour the event is as wrong as any other type.
 */
export function leaveToNewer(type: string, { type: known }: Subscription, { time }: Pick<JsMsg, 'time'>): void {
  if (known === undefined || type === known || !isNewer(type, known)) return;
  if (Date.now() - time.getTime() > NEWER_KEPT_MS) return;
  throw new RetryLater(
    `'${type}' is newer than '${known}', the version this instance knows; a newer instance will take it`,
  );
}

/** What an event of an earlier version carries, as the present version says it. */
export function toPresent(data: Record<string, unknown>, type: string, { earlier }: Subscription): unknown {
  const upcast = earlier?.[type];
  if (!upcast) return data;
  try {
    return upcast(data);
  } catch (cause) {
    throw new Unprocessable(
      `What '${type}' carries could not be turned into the present version: ${toError(cause).message}`,
      {
        cause,
      },
    );
  }
}
