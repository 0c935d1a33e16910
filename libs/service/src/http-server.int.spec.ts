import { once } from 'node:events';
import type { Server, ServerResponse } from 'node:http';
import { createConnection, type AddressInfo, type Socket } from 'node:net';
import { eventually } from '@pavane/testing';
import { ServiceHttpAdapter } from './http-server.js';
import { jsonBody } from './json-body.js';

const REQUEST_MS = 500;
const MB = 1024 * 1024;
let hasty: Server;
let server: Server;
let taken: unknown[];

beforeAll(async () => {
  [hasty, server] = [await serve(REQUEST_MS), await serve()];
});
beforeEach(() => {
  taken = [];
});
afterAll(async () => {
  for (const one of [hasty, server]) {
    one.closeAllConnections();
    await new Promise((resolve) => one.close(resolve));
  }
});

async function serve(requestMs?: number): Promise<Server> {
  const adapter = new ServiceHttpAdapter(requestMs);
  adapter.initHttpServer();
  const listening = adapter.getHttpServer() as Server;
  adapter.use(jsonBody('64kb'));
  adapter.use((request: { body: unknown }, response: ServerResponse) => {
    taken.push(request.body);
    response.end('taken');
  });
  adapter.use((error: Error & { status: number }, _request: unknown, response: ServerResponse, _next: unknown) => {
    response.statusCode = error.status;
    response.end(error.message);
  });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  return listening;
}

/** A client that writes by hand. */
async function client(head: string, of = server) {
  const socket = createConnection((of.address() as AddressInfo).port, '127.0.0.1');
  const seen = { text: '', closed: false };
  socket.setEncoding('latin1').on('data', (text: string) => (seen.text += text));
  socket.on('error', () => undefined).on('close', () => (seen.closed = true));
  await once(socket, 'connect');
  socket.write(`POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${head}\r\n\r\n`);
  const reads = (what: RegExp) =>
    eventually(() => {
      if (!what.test(seen.text)) throw new Error(`it read ${JSON.stringify(seen.text)}`);
    });
  const isClosed = () =>
    eventually(() => {
      if (!seen.closed) throw new Error('the connection is open');
    });
  return { socket, seen, reads, isClosed };
}

/** Sends until nobody takes it any more; how many bytes were taken. */
async function flood(socket: Socket): Promise<number> {
  const piece = Buffer.alloc(65_536, 0x20);
  for (;;) {
    if (socket.destroyed) return socket.bytesWritten;
    if (!socket.write(piece)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
  }
}

describe('a request that does not arrive', () => {
  it.each([
    ['a body that is begun', 'Content-Length: 10', '{"a":'],
    ['a body of which nothing is sent', 'Content-Length: 10', ''],
  ])('is given up after the time stated, and not before: %s', async (_, head, body) => {
    const started = performance.now();
    const { socket, reads, isClosed } = await client(head, hasty);
    socket.write(body);
    await reads(/^HTTP\/1.1 408 /);
    await isClosed();
    expect(performance.now() - started).toBeGreaterThanOrEqual(REQUEST_MS);
    expect(taken).toEqual([]);
  });

  it('has no more time for the whole than for its head', () => {
    expect([server.requestTimeout, server.headersTimeout]).toEqual([30_000, 30_000]);
  });
});

describe('a body that is not wanted', () => {
  it('is refused before it is sent, when its length is announced, and not taken in', async () => {
    const { socket, reads, isClosed } = await client('Content-Length: 2147483648');
    await reads(/^HTTP\/1.1 413 /);
    expect(await flood(socket)).toBeLessThan(32 * MB);
    await isClosed();
  });

  it('is not waited for', async () => {
    const { reads, isClosed } = await client('Content-Length: 2147483648');
    await reads(/^HTTP\/1.1 413 /);
    await isClosed();
  });

  it('is refused as soon as it is too long, when its length is not announced', async () => {
    const { socket, reads } = await client('Transfer-Encoding: chunked');
    socket.write('20000\r\n'); // 128 kB
    const sent = flood(socket);
    await reads(/^HTTP\/1.1 413 /);
    expect(await sent).toBeLessThan(32 * MB);
  });

  it('is not asked for from a client that waits to be asked', async () => {
    const { seen, reads, isClosed } = await client('Content-Length: 2147483648\r\nExpect: 100-continue');
    await reads(/^HTTP\/1.1 413 /);
    expect(seen.text).not.toContain('100 Continue');
    await isClosed();
  });

  it('does not cost a client its connection when it is little', async () => {
    const { socket, reads, seen } = await client('Content-Length: 70000');
    socket.write(' '.repeat(70_000));
    await reads(/^HTTP\/1.1 413 /);
    socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}');
    await reads(/HTTP\/1.1 200 [^]*taken$/);
    expect(seen.closed).toBe(false);
    socket.destroy();
  });
});

describe('a body', () => {
  it('is asked for from a client that waits to be asked', async () => {
    const { socket, reads } = await client('Content-Length: 7\r\nExpect: 100-continue');
    await reads(/^HTTP\/1.1 100 Continue/);
    socket.write('{"a":1}');
    await reads(/HTTP\/1.1 200 [^]*taken$/);
    expect(taken).toEqual([{ a: 1 }]);
    socket.destroy();
  });

  it('that ends too early harms nobody', async () => {
    const { socket, isClosed } = await client('Content-Length: 10');
    socket.write('{"a":');
    socket.destroy();
    await isClosed();
    const { socket: next, reads } = await client('Content-Length: 2');
    next.write('{}');
    await reads(/taken$/);
    expect(taken).toEqual([{}]);
    next.destroy();
  });
});
