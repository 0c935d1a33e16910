import { Agent, request } from 'node:http';
import type { OrdersCreated } from '@pavane/contracts';

const CONNECTIONS = 64;

/** The payment provider, over connections that stay. */
export class Provider {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });

  constructor(
    private readonly port: number,
    private readonly fail: (error: unknown) => void,
  ) {}

  /** Calls back when the charge is captured; any other answer is a failure. */
  charge(orderId: string, { total, paymentMethod }: OrdersCreated, captured: () => void): void {
    const body = JSON.stringify({ ...total, method: paymentMethod });
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'idempotency-key': orderId,
    };
    const options = {
      host: '127.0.0.1',
      port: this.port,
      path: '/charges',
      method: 'POST',
      agent: this.#agent,
      headers,
    };
    const asked = request(options, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => (text += chunk));
      response.once('error', this.fail);
      response.once('end', () => {
        if ((JSON.parse(text) as { status?: string }).status === 'captured') captured();
        else this.fail(new Error(`the provider said of order ${orderId}: ${text}`));
      });
    });
    asked.once('error', this.fail);
    asked.end(body);
  }
}
