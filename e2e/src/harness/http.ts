import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { OrderItem } from '@pavane/contracts';
import { eventually } from '@pavane/testing';

export interface OrderBody {
  customerId: string;
  email: string;
  items: OrderItem[];
  paymentMethod: string;
}

/** An order as the order service answers it. */
export interface Order {
  id: string;
  status: 'pending' | 'confirmed' | 'cancelled';
  reason?: string;
  items: OrderItem[];
  total: { amount: number; currency: string };
  createdAt: string;
  deadlineAt: string;
  history: { event: string; at: string }[];
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  errors?: { field: string; message: string; remedy: string }[];
}

export interface Answer<Body = unknown> {
  status: number;
  headers: Headers;
  body: Body;
}

export const bodyOf = (order: Partial<OrderBody> = {}): OrderBody => ({
  customerId: 'e2e',
  email: 'e2e@example.com',
  items: [{ sku: 'CUP', quantity: 1 }],
  paymentMethod: 'card_ok',
  ...order,
});

/** A customer of the order service at one address. */
export class HttpClient {
  constructor(readonly url: string) {}

  /** Sends a body as it is, JSON or not. */
  async post<Body = Problem>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer<Body>> {
    const response = await fetch(`${this.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    });
    return answerOf<Body>(response);
  }

  postOrder<Body = Problem>(order: unknown, key: string = randomUUID()): Promise<Answer<Body>> {
    return this.post<Body>('/orders', order, { 'idempotency-key': key });
  }

  async get<Body = unknown>(path: string): Promise<Answer<Body>> {
    return answerOf<Body>(await fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(15_000) }));
  }

  /** Places an order; turned away because too many are under way, it comes again when it is told to. */
  async place(order: Partial<OrderBody> = {}): Promise<Order> {
    const key = randomUUID();
    for (;;) {
      const { status, headers, body } = await this.postOrder<Order | Problem>(bodyOf(order), key);
      if (status === 202) return body as Order;
      const isFull = status === 503 && (body as Problem).type === '/docs/errors#overloaded';
      if (!isFull) throw new Error(`POST /orders was answered ${status}: ${JSON.stringify(body)}`);
      await pause(Number(headers.get('retry-after')) * 1000);
    }
  }

  async read(id: string): Promise<Order> {
    const { status, body } = await this.get<Order>(`/orders/${id}`);
    if (status !== 200) throw new Error(`GET /orders/${id} was answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  cancel(id: string): Promise<Answer<Order>> {
    return this.post<Order>(`/orders/${id}/cancel`, '');
  }

  /** Places an order as a patient customer does: asks again under the same key until it is accepted. */
  async placeForSure(order: Partial<OrderBody> = {}, withinMs = 60_000): Promise<Order> {
    const key = randomUUID();
    return eventually(
      async () => {
        const { status, body } = await this.postOrder<Order>(bodyOf(order), key);
        if (status !== 202) throw new Error(`POST /orders was answered ${status}: ${JSON.stringify(body)}`);
        return body;
      },
      { withinMs, everyMs: 100, what: 'the acceptance of an order' },
    );
  }
}

async function answerOf<Body>(response: Response): Promise<Answer<Body>> {
  const text = await response.text();
  const json = /json/.test(response.headers.get('content-type') ?? '');
  return { status: response.status, headers: response.headers, body: (json ? JSON.parse(text) : text) as Body };
}
