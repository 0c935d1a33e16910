import { randomUUID } from 'node:crypto';
import { reach } from '../cli/reach.js';
import type { Scenario } from './scenarios.js';

/** An order as the order service answers it. */
export interface Order {
  id: string;
  status: 'pending' | 'confirmed' | 'cancelled';
  reason?: string;
  total: { amount: number; currency: string };
  history: { event: string; at: string }[];
}

/** `POST /orders` was not answered 202. */
export class NotAccepted extends Error {
  constructor(
    message: string,
    readonly status: number,
    /** When the service asks to be tried again, in milliseconds from now; absent when it does not say. */
    readonly retryAfterMs: number | undefined,
  ) {
    super(message);
  }
}

/** Places an order and resolves to it. Rejects with `NotAccepted`, or when there is no answer in time. */
export async function place(
  url: string,
  { items, paymentMethod }: Pick<Scenario, 'items' | 'paymentMethod'>,
  key: string = randomUUID(),
  withinMs = 60_000,
): Promise<Order> {
  const response = await ask(url, '/orders', {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ customerId: 'demo', email: 'demo@example.com', items, paymentMethod }),
    signal: AbortSignal.timeout(withinMs),
  });
  if (response.status !== 202) {
    const retryAfter = Number(response.headers.get('retry-after'));
    throw new NotAccepted(
      `POST ${url}/orders was answered ${response.status}: ${await response.text()}`,
      response.status,
      retryAfter > 0 ? retryAfter * 1000 : undefined,
    );
  }
  return (await response.json()) as Order;
}

/** What can be ordered. */
export async function products(url: string): Promise<{ sku: string }[]> {
  const response = await ask(url, '/products');
  if (!response.ok) throw new Error(`GET ${url}/products was answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as { sku: string }[];
}

/** The order as it is now. */
export async function read(url: string, id: string): Promise<Order> {
  const response = await ask(url, `/orders/${id}`);
  if (!response.ok)
    throw new Error(`GET ${url}/orders/${id} was answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as Order;
}

/** Asks for a cancellation; resolves to the HTTP status. */
export const cancel = async (url: string, id: string): Promise<number> =>
  (await ask(url, `/orders/${id}/cancel`, { method: 'POST', signal: AbortSignal.timeout(15_000) })).status;

const ask = (url: string, path: string, init?: RequestInit): Promise<Response> =>
  reach('the order service', url, fetch(`${url}${path}`, init));
