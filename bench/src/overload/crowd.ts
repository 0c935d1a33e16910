import { randomUUID } from 'node:crypto';
import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { postOrder } from '../saga/post.js';

/** Customers at a time who wait for an answer or for the moment to come again; whoever finds more of them leaves. */
const MOST_CUSTOMERS = 1000;
/** Of these, how many wait for an answer. */
const MOST_REQUESTS = 256;
/** How long customers who were turned away keep coming back. */
const PATIENCE_MS = 10_000;

/** What became of one customer; moments are those of `performance.now()`. */
export interface Customer {
  cameAt: number;
  /** How often this customer was turned away. */
  turnedAway: number;
  /** Absent when the customer left without an order. */
  order?: { id: string; acceptedAt: number };
}

/** How an order came to an end. */
export interface Ending {
  at: number;
  confirmed: boolean;
}

/** Customers who come at a fixed rate whatever the platform does, and who come again when they are told to. */
export class Crowd {
  /** Of every order that ended since the crowd formed. */
  readonly endings = new Map<string, Ending>();
  /** When the money for each order was captured. */
  readonly captured = new Map<string, number>();
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MOST_REQUESTS });

  private constructor(
    private readonly url: string,
    private readonly nc: NatsConnection,
  ) {}

  static async before({ http, nats }: { http: { order: string }; nats: string }): Promise<Crowd> {
    const crowd = new Crowd(http.order, await connect({ servers: nats.split(',') }));
    const hear = (subject: string, note: (id: string, at: number) => void) =>
      crowd.nc.subscribe(subject, {
        callback: (_, { subject: said }) => note(said.slice(said.lastIndexOf('.') + 1), performance.now()),
      });
    const first = <T>(map: Map<string, T>, id: string, value: T) => void (map.has(id) || map.set(id, value));
    hear('orders.confirmed.*', (id, at) => first(crowd.endings, id, { at, confirmed: true }));
    hear('orders.cancelled.*', (id, at) => first(crowd.endings, id, { at, confirmed: false }));
    hear('payments.completed.*', (id, at) => first(crowd.captured, id, at));
    await crowd.nc.flush();
    return crowd;
  }

  /** Lets customers come; resolves when the time is up, to all who came. Those still without an order leave then. */
  async come({ perSecond, seconds }: { perSecond: number; seconds: number }): Promise<Customer[]> {
    const customers: Customer[] = [];
    const present = new Set<Promise<void>>();
    const start = performance.now();
    const until = start + seconds * 1000;
    const over = new AbortController();
    for (let i = 0; ; i++) {
      const due = start + (i * 1000) / perSecond;
      if (due >= until) break;
      const early = due - performance.now();
      if (early > 1) await delay(early);
      const customer: Customer = { cameAt: due, turnedAway: 0 };
      customers.push(customer);
      if (present.size >= MOST_CUSTOMERS) continue;
      const visit = this.#visit(customer, until, over.signal).finally(() => present.delete(visit));
      present.add(visit);
    }
    const rest = until - performance.now();
    if (rest > 0) await delay(rest);
    over.abort();
    await Promise.all(present);
    return customers;
  }

  /** Waits until all of these orders have ended. */
  async ended(customers: readonly Customer[], withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    const waiting = () => customers.filter(({ order }) => order && !this.endings.has(order.id)).length;
    while (waiting() > 0) {
      if (performance.now() > deadline)
        throw new Error(`${waiting()} accepted orders have not ended ${withinMs / 1000} s after the last one came`);
      await delay(100);
    }
  }

  async leave(): Promise<void> {
    this.#agent.destroy();
    await this.nc.close();
  }

  async #visit(customer: Customer, until: number, over: AbortSignal): Promise<void> {
    const key = randomUUID();
    for (;;) {
      const answer = await postOrder(this.url, this.#agent, key);
      if ('id' in answer) {
        customer.order = { id: answer.id, acceptedAt: performance.now() };
        return;
      }
      customer.turnedAway++;
      const again = performance.now() + answer.retryAfterMs;
      if (again > Math.min(until, customer.cameAt + PATIENCE_MS)) return;
      // Not all in the same moment.
      await delay(answer.retryAfterMs * (1 + Math.random() / 4), undefined, { signal: over }).catch(() => undefined);
      if (over.aborted) return;
    }
  }
}
