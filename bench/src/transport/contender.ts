/**
 * What the benchmark asks of each transport, ours included. A module that exports these functions is loaded by two
 * processes of its own, one that publishes and one that consumes; `variant` is what its entry in the list says.
 */
export interface Contender {
  /** Makes what the broker has to hold, where the transport does not do so itself. */
  provision?(url: string): Promise<void>;
  /** Resolves when it listens. To `hear` is the whole work of its handler; the answer to a request is its number. */
  consume(url: string, hear: (event: Measured) => void, variant?: string): Promise<void>;
  /** Resolves when it is connected. */
  connect(url: string, variant?: string): Promise<Publisher>;
}

export interface Publisher {
  /** Resolves when the broker has confirmed the event. */
  publish(event: Measured): Promise<unknown>;
  /** Resolves to the number in the answer. */
  request(n: number): Promise<number>;
}

/** An event of the benchmark: one of the saga's with two fields more. */
export interface Measured {
  /** Counts up from 0, so that a missing one is noticed. */
  n: number;
  /** When it was to be published, on the clock that all processes of a machine share. */
  dueUs: number;
  amount: { amount: number; currency: string };
  items: { sku: string; quantity: number }[];
}

export function eventOf(n: number, dueUs: number): Measured {
  return {
    n,
    dueUs: Math.round(dueUs),
    amount: { amount: 4900, currency: 'EUR' },
    items: [{ sku: 'TEAPOT', quantity: 1 }],
  };
}

/** Microseconds on the machine's monotonic clock. */
export function nowUs(): number {
  return Number(process.hrtime.bigint()) / 1_000;
}
