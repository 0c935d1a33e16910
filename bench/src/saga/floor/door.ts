import { createHash, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { OrderItem } from '@pavane/contracts';
import { v7 as uuidv7 } from 'uuid';
import type { Placing } from './order.js';

const DEADLINE_MS = 24 * 3_600_000;

/** What a SKU costs, in minor units. */
export type Prices = ReadonlyMap<string, { price: number; currency: string }>;

interface Wish {
  customerId: string;
  email: string;
  items: OrderItem[];
  paymentMethod: string;
}

/** The HTTP door: POST /orders; everything else is answered by that it is there. */
export function door(prices: Prices, place: (order: Placing) => void): Server {
  return createServer((asked, answer) => {
    const chunks: Buffer[] = [];
    asked.on('data', (chunk: Buffer) => chunks.push(chunk));
    asked.once('end', () => {
      const order = asked.method === 'POST' && orderOf(asked, Buffer.concat(chunks), prices, answer);
      if (order) place(order);
      else answer.writeHead(asked.method === 'POST' ? 400 : 200).end();
    });
  });
}

function orderOf(asked: IncomingMessage, body: Buffer, prices: Prices, answer: ServerResponse): Placing | undefined {
  const key = asked.headers['idempotency-key']?.toString();
  const wish = read(body);
  const total = wish && totalOf(wish.items, prices);
  if (!key || !total) return undefined;
  const order: Placing = {
    id: uuidv7(),
    ...wish,
    ...total,
    deadlineAt: new Date(Date.now() + DEADLINE_MS).toISOString(),
    key,
    fingerprint: createHash('sha256').update(body).digest('hex'),
    traceparent: `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`,
    done() {
      const view = { id: order.id, status: 'pending', items: wish.items, total };
      answer.writeHead(202, { 'content-type': 'application/json', location: `/orders/${order.id}` });
      answer.end(JSON.stringify(view));
    },
  };
  return order;
}

function read(body: Buffer): Wish | undefined {
  try {
    const { customerId, email, items, paymentMethod } = JSON.parse(body.toString()) as Wish;
    const known = [customerId, email, paymentMethod].every((text) => typeof text === 'string' && text !== '');
    return known && Array.isArray(items) ? { customerId, email, items, paymentMethod } : undefined;
  } catch {
    return undefined;
  }
}

function totalOf(items: readonly OrderItem[], prices: Prices): { amount: number; currency: string } | undefined {
  let [amount, currency] = [0, ''];
  for (const { sku, quantity } of items) {
    const product = prices.get(sku);
    if (!product || !Number.isInteger(quantity) || quantity < 1) return undefined;
    amount += product.price * quantity;
    currency = product.currency;
  }
  return currency === '' ? undefined : { amount, currency };
}
