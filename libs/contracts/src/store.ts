/**
 * How the room in NATS is shared out, in parts: each stream and bucket may fill its part of the whole and no more, so that
 * none takes what another needs. One that is added gets its part here, and the others give way.
 */
const PARTS = {
  SAGA: 8,
  AUDIT: 4,
  TIMERS: 3,
  DLQ: 2,
  PARKED: 2,
  KV_attempts: 0.9,
  KV_flags: 0.1,
} as const;

/** A stream, or a bucket as the stream it is. */
export type Stored = keyof typeof PARTS;

/** Bytes on each server for everything together, where a deployment does not say otherwise. */
export const DEFAULT_STORE = 1024 ** 3;

/** With less, a bucket could not hold one message of the largest size (1 MiB). */
export const LEAST_STORE = 256 * 1024 ** 2;

/** The most bytes that a stream or bucket may hold where all of them have `store`. */
export function roomOf(name: Stored, store: number): number {
  if (!(store >= LEAST_STORE))
    throw new RangeError(
      `a store of ${store} bytes is too small for the streams of the saga; give them at least ${LEAST_STORE} (256 MiB)`,
    );
  const all = Object.values(PARTS).reduce<number>((sum, part) => sum + part, 0);
  return Math.floor((store * PARTS[name]) / all);
}
