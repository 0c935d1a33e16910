import { toError, Unprocessable } from '../errors.js';
import { flawsOf } from './structure.js';
import type { Subscription } from '../nest/subscription.js';

/** Longer than any deploy takes: what nobody knows by then is a mistake. */
const NEWER_KEPT_MS = 3_600_000;

const VERSIONED = /^(.+)\.v(\d+)$/;

/** Whether `type` is a later version of the event `known`, as `orders.created.v2` is of `orders.created.v1`. */
export function isNewer(type: string, known: string): boolean {
  const [, name, version] = VERSIONED.exec(type) ?? [];
  const [, knownName, knownVersion] = VERSIONED.exec(known) ?? [];
  return name !== undefined && name === knownName && Number(version) > Number(knownVersion);
}

/**
 * Whether an event is for an instance that knows its version: during a deploy it may come to one that is older than the
 * one that said it. After an hour it is as wrong as any other type.
 */
export function isForNewer(type: string, { type: known }: Subscription, ageMs: number): boolean {
  if (known === undefined || type === known || !isNewer(type, known)) return false;
  return ageMs <= NEWER_KEPT_MS;
}

/** What an event of an earlier version carries, as the present version says it. */
export function toPresent(data: Record<string, unknown>, type: string, { earlier }: Subscription): unknown {
  const upcast = earlier?.[type];
  if (!upcast) return data;
  try {
    const [flaw] = flawsOf(data).named;
    if (flaw) throw new TypeError(`${flaw.field} ${flaw.message}`);
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
