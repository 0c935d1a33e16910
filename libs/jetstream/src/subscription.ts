/** Selects this transport among those of a hybrid application. */
export const JETSTREAM: unique symbol = Symbol('JETSTREAM');

/** One durable pull consumer and what it hears. */
export interface Subscription {
  stream: string;
  /** The consumer's filter, e.g. `orders.created.*`. */
  subject: string;
  durable: string;
  /** `ce-type` an event must have. */
  type?: string;
  /** `ce-source` an event must have. */
  source?: string;
}
