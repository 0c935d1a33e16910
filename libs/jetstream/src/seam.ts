import { channel } from 'node:diagnostics_channel';

/** A moment at which a crash matters: between two effects that cannot happen as one. */
export interface Seam {
  /** Which moment, e.g. `committed`. */
  point: string;
  /** Of what: a durable, a message of the rules, or an event. */
  of: string;
  /** Whom it is about: the key of the event, where it is known. */
  about?: string;
}

const seams = channel('saga.seam');

/** Tells a fault injector that a seam was reached (diagnostics channel `saga.seam`). Free when nobody listens. */
export function seam(point: string, of: string, about?: string): void {
  if (seams.hasSubscribers) seams.publish({ point, of, ...(about && { about }) } satisfies Seam);
}
