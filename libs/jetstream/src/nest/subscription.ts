/** Selects this transport among those of a hybrid application. */
export const JETSTREAM: unique symbol = Symbol('JETSTREAM');

/** One durable pull consumer and what it hears. */
export interface Subscription {
  stream: string;
  /** The consumer's filter, e.g. `orders.created.*`. */
  subject: string;
  durable: string;
  /** `ce-type` an event must have, e.g. `orders.created.v2`. A later version waits for an instance that knows it. */
  type?: string;
  /** Earlier versions that are heard as well, by `ce-type`, and what makes of their payload that of `type`. */
  earlier?: Readonly<Record<string, (data: Record<string, unknown>) => object>>;
  /** `ce-source` an event must have. */
  source?: string;
}
