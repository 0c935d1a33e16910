import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { randomUUID } from 'node:crypto';
import { bodyOf, type Order, type OrderBody } from './http.js';

/**
 * Places orders as a gateway does: over a bounded number of connections, kept and used in turn. More orders at a time
 * wait here. What is sent is sent once, and an answer is waited for however long it takes; unless it is that too many orders
 * are under way, which is followed: the same order comes again when it is told to.
 */
export class Gateway implements Disposable {
  readonly #agent: Agent;
  /** Answers that said to come again. */
  turnedAway = 0;

  constructor(
    private readonly url: string,
    connections: number,
  ) {
    // In turn, so that none is idle for long: a connection that is closed between two orders has had its last answer.
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, scheduling: 'fifo' });
  }

  async place(order: Partial<OrderBody>): Promise<Order> {
    const key = randomUUID();
    for (;;) {
      const { statusCode, headers, body } = await this.#post(order, key);
      if (statusCode === 202) return JSON.parse(body) as Order;
      if (statusCode !== 503 || !body.includes('/docs/errors#overloaded'))
        throw new Error(`POST /orders was answered ${statusCode}: ${body}`);
      this.turnedAway++;
      await pause(Number(headers['retry-after']) * 1000);
    }
  }

  async #post(order: Partial<OrderBody>, key: string) {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': key };
      request(`${this.url}/orders`, { agent: this.#agent, method: 'POST', headers })
        .on('response', resolve)
        .on('error', reject)
        .end(JSON.stringify(bodyOf(order)));
    });
    return { statusCode: answer.statusCode, headers: answer.headers, body: await text(answer) };
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
