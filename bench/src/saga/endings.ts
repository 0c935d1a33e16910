import { connect, type NatsConnection } from '@nats-io/transport-node';

/** The saga stands still when no order has come any further for so long. */
const PATIENCE_MS = 60_000;

interface Awaited {
  promise: Promise<number>;
  resolve(at: number): void;
  reject(error: Error): void;
}

/**
 * Hears from the broker how orders end and when their customers were told: what is said was committed before. Moments
 * are those of `performance.now()`.
 */
export class Endings {
  readonly #ended = new Map<string, Awaited>();
  readonly #told = new Map<string, Awaited>();
  #lastAt = performance.now();
  readonly #watch = setInterval(() => this.#lookForStandstill(), 1000);

  private constructor(private readonly nc: NatsConnection) {}

  static async follow(url: string): Promise<Endings> {
    const endings = new Endings(await connect({ servers: url.split(',') }));
    endings.#hear('orders.confirmed.*', endings.#ended);
    endings.#hear('orders.cancelled.*', endings.#ended);
    endings.#hear('notifications.*.*', endings.#told);
    await endings.nc.flush();
    return endings;
  }

  /** Resolves to when the order ended; rejects when nothing has moved for 60 s. To be asked once for each order. */
  ended(id: string): Promise<number> {
    return this.#await(this.#ended, id);
  }

  /** Resolves to when the order's customer was told how it ended. */
  told(id: string): Promise<number> {
    return this.#await(this.#told, id);
  }

  async close(): Promise<void> {
    clearInterval(this.#watch);
    await this.nc.close();
  }

  #hear(subject: string, into: Map<string, Awaited>): void {
    this.nc.subscribe(subject, {
      callback: (_, { subject: said }) => {
        this.#lastAt = performance.now();
        this.#of(into, said.slice(said.lastIndexOf('.') + 1)).resolve(this.#lastAt);
      },
    });
  }

  async #await(among: Map<string, Awaited>, id: string): Promise<number> {
    this.#lastAt = performance.now();
    try {
      return await this.#of(among, id).promise;
    } finally {
      among.delete(id);
    }
  }

  /** It may be heard of before it is asked for: the answer to POST /orders travels on its own. */
  #of(among: Map<string, Awaited>, id: string): Awaited {
    let awaited = among.get(id);
    if (!awaited) {
      awaited = Promise.withResolvers<number>();
      among.set(id, awaited);
    }
    return awaited;
  }

  #lookForStandstill(): void {
    if (performance.now() - this.#lastAt < PATIENCE_MS) return;
    for (const [what, among] of [
      ['had not ended', this.#ended],
      ['ended and its customer was not told', this.#told],
    ] as const)
      for (const [id, { reject }] of among) reject(new Error(`order ${id} ${what} when nothing had moved for 60 s`));
  }
}
