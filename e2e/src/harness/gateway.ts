import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { randomUUID } from 'node:crypto';
import { bodyOf, type Order, type OrderBody } from './http.js';

/**
 * Places orders as a gateway does: over a bounded number of connections, kept and used in turn. More orders at a time
 * wait here. What is sent is sent once; an answer is waited for however long it takes.
 */
export class Gateway implements Disposable {
  readonly #agent: Agent;

  constructor(
    private readonly url: string,
    connections: number,
  ) {
    // In turn, so that none is idle for long: a connection that is closed between two orders has had its last answer.
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' });
  }

  async place(order: Partial<OrderBody>): Promise<Order> {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
      request(`${this.url}/orders`, { agent: this.#agent, method: 'POST', headers })
        .on('response', resolve)
        .on('error', reject)
        .end(JSON.stringify(bodyOf(order)));
    });
    const body = await text(answer);
    if (answer.statusCode !== 202) throw new Error(`POST /orders was answered ${answer.statusCode}: ${body}`);
    return JSON.parse(body) as Order;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
