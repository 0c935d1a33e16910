import { randomUUID } from 'node:crypto';
import { type Agent, request } from 'node:http';

/** What every customer of the benchmark wants. */
const BODY = JSON.stringify({
  customerId: 'bench',
  email: 'bench@example.com',
  items: [{ sku: 'TEAPOT', quantity: 1 }],
  paymentMethod: 'card_ok',
});

/** Accepted under an id, or turned away with the time after which to come again. */
export type Answer = { id: string } | { retryAfterMs: number };

/** Tries to place an order. Plain node:http: what this process takes, the platform does not get. */
export function postOrder(url: string, agent: Agent, key: string = randomUUID()): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(BODY),
      'idempotency-key': key,
    };
    const posted = request(`${url}/orders`, { method: 'POST', agent, headers }, (response) => {
      response.setEncoding('utf8');
      let text = '';
      response.on('data', (chunk: string) => (text += chunk));
      response.once('error', reject);
      response.once('end', () => {
        const id = response.headers.location?.split('/').at(-1);
        const retryAfter = Number(response.headers['retry-after']);
        if (response.statusCode === 202 && id) resolve({ id });
        else if (response.statusCode === 503 && retryAfter > 0) resolve({ retryAfterMs: retryAfter * 1000 });
        else reject(new Error(`POST ${url}/orders was answered ${response.statusCode}: ${text}`));
      });
    });
    posted.once('error', (error: NodeJS.ErrnoException) => {
      // The server closed a connection for being idle just when it was to be used again.
      if (posted.reusedSocket && error.code === 'ECONNRESET') resolve(postOrder(url, agent, key));
      else reject(error);
    });
    posted.end(BODY);
  });
}
