import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HttpDrain } from './http-drain.js';

describe('an event stream whose head is sent after the drain began', () => {
  it.each<[string, (response: ServerResponse) => void]>([
    [
      'with a head of its own',
      (response) => response.writeHead(200, { 'Content-Type': 'text/event-stream', Connection: 'keep-alive' }),
    ],
    ['with headers set one by one', (response) => response.setHeader('Content-Type', 'text/event-stream')],
  ])('is ended after its first message, %s', async (_how, open) => {
    const { drain, url, entered } = await door();
    const answer = fetch(url);
    const response = await entered;
    const stopped = drain.stop();
    open(response);
    response.write('data: hello\n\n');
    expect(await (await answer).text()).toBe('data: hello\n\n');
    await stopped;
    expect(drain.inFlight).toBe(0);
    // The source has not heard of the end yet.
    response.write('data: late\n\n');
  });

  it('leaves any other answer whole, however slowly it comes', async () => {
    const { drain, url, entered } = await door();
    const answer = fetch(url);
    const response = await entered;
    const stopped = drain.stop();
    response.writeHead(200, { 'Content-Type': 'text/plain' }).write('one ');
    const { body, headers } = await answer;
    expect(headers.get('connection')).toBe('close');
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('one ');
    response.end('two');
    expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe('two');
    await stopped;
  });
});

describe('a client that keeps its connection', () => {
  it('is served on while others look elsewhere, and its connection ends with the answer', async () => {
    const { drain, url, server } = await door();
    server.on('request', (_request, response: ServerResponse) => response.end('served'));
    expect((await fetch(url)).headers.get('connection')).toBe('keep-alive');
    drain.turnAway();
    for (let again = 0; again < 2; again++) {
      const answer = await fetch(url);
      expect(answer.headers.get('connection')).toBe('close');
      expect(await answer.text()).toBe('served');
    }
    await drain.stop();
  });
});

async function door() {
  const server = createServer();
  const drain = new HttpDrain(server);
  const entered = once(server, 'request').then(([, response]) => response as ServerResponse);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { drain, entered, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}
