import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** Ends a request with this status and body. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly body: Readonly<Record<string, unknown>>,
  ) {
    super(`refused with ${status}`);
    this.name = 'Refused';
  }
}

/** Returned instead of an answer: the connection is closed without one. */
export const NO_ANSWER = Symbol('no answer');

export interface Call {
  /** What the `:name` parts of the route matched, decoded. */
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
  header(name: string): string | undefined;
  /** The parsed JSON object, or the fields of a form; empty when there is no body. */
  body: Readonly<Record<string, unknown>>;
}

export interface Answer {
  status: number;
  body?: unknown;
}

/** Handlers by route, e.g. `POST /charges/:key/void`. */
export type Routes = Readonly<
  Record<string, (call: Call) => Answer | typeof NO_ANSWER | Promise<Answer | typeof NO_ANSWER>>
>;

export interface HttpServer {
  readonly port: number;
  readonly url: string;
  /** Takes no new request and resolves when those under way are answered. */
  close(): Promise<void>;
}

export interface Listening {
  /** Default 127.0.0.1. */
  host?: string;
  /** 0 for a free one. */
  port: number;
}

const BODY_LIMIT = 64 * 1024;

/** A JSON-over-HTTP server on node:http; an unknown route is 404, an unreadable body 400, a thrown error 500. */
export async function serveHttp(routes: Routes, { host = '127.0.0.1', port }: Listening): Promise<HttpServer> {
  const table = Object.entries(routes).map(([route, handle]) => ({ matches: compile(route), handle }));
  const server = createServer((request, response) => {
    void answer(request)
      .catch(failureAnswer)
      .then((result) => send(response, result));
  });

  async function answer(request: IncomingMessage): Promise<Answer | typeof NO_ANSWER> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    for (const { matches, handle } of table) {
      const params = matches(request.method ?? 'GET', url.pathname);
      if (params === undefined) continue;
      const body = await readBody(request);
      const header = (name: string) => request.headers[name.toLowerCase()]?.toString();
      return await handle({ params, query: url.searchParams, header, body });
    }
    return { status: 404, body: { error: `no route ${request.method} ${url.pathname}` } };
  }

  function send(response: ServerResponse, result: Answer | typeof NO_ANSWER): void {
    if (result === NO_ANSWER) {
      response.destroy();
      return;
    }
    // An idle connection would keep a closing server open.
    if (!server.listening) response.setHeader('connection', 'close');
    if (result.body === undefined) {
      response.writeHead(result.status).end();
      return;
    }
    response.writeHead(result.status, { 'content-type': 'application/json' }).end(JSON.stringify(result.body));
  }

  const bound = await listen(server, host, port);
  return {
    port: bound,
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** Listens and resolves to the port; a busy port is an error that names it. */
export function listen(
  server: {
    listen(options: { host: string | undefined; port: number }): unknown;
    address(): unknown;
    once(event: 'listening' | 'error', listener: (error: Error) => void): unknown;
  },
  host: string,
  port: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const busy = 'code' in error && error.code === 'EADDRINUSE';
      reject(busy ? new Error(`port ${port} on ${host} is in use; choose another`, { cause: error }) : error);
    });
    server.once('listening', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : port);
    });
    // Without a host Node takes all addresses of IPv4, and of IPv6 where there is any.
    server.listen({ host: host === '::' ? undefined : host, port });
  });
}

type Match = (method: string, path: string) => Record<string, string> | undefined;

function compile(route: string): Match {
  const [verb, pattern = '/'] = route.split(' ');
  const expression = new RegExp(`^${pattern.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')}$`);
  return (method, path) => {
    const found = method === verb ? expression.exec(path) : null;
    if (found === null) return undefined;
    return Object.fromEntries(Object.entries(found.groups ?? {}).map(([name, value]) => [name, decode(value)]));
  };
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new Refused(400, { error: `${value} is not percent-encoded text` });
  }
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) throw new Refused(413, { error: `the body is larger than ${BODY_LIMIT} bytes` });
    chunks.push(chunk);
  }
  if (size === 0) return {};
  const text = Buffer.concat(chunks).toString('utf8');
  if (request.headers['content-type']?.startsWith('application/x-www-form-urlencoded'))
    return Object.fromEntries(new URLSearchParams(text));
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new Refused(400, { error: 'the body is not JSON' });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new Refused(400, { error: 'the body is not a JSON object' });
  return { ...parsed };
}

function failureAnswer(error: unknown): Answer {
  if (error instanceof Refused) return { status: error.status, body: error.body };
  console.error('A request failed', error);
  return { status: 500, body: { error: 'internal error' } };
}
