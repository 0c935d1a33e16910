import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import { freePort } from '@pavane/testing/servers';
import type { Random } from '../../random.js';

/** What a request is answered instead of what the provider says. */
export type WrongAnswer = (response: ServerResponse) => void;

/** How long a 429 or a 503 asks to be left alone, in seconds. */
const RETRY_AFTER_S = 2;
/** `Retry-After` is in whole seconds, and clocks tick apart. */
const TOLERANCE_MS = 100;

const LOGIN = '/login';
const PAGE = '<!doctype html><title>Sign in</title><form><input name="user"></form>';

const json =
  (status: number, body: object, headers: Record<string, string> = {}): WrongAnswer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const page =
  (status: number): WrongAnswer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'text/html' }).end(PAGE);
const retryAfter = { 'retry-after': `${RETRY_AFTER_S}` };

/** Every way we know in which somebody on the way, or the provider itself, answers and settles nothing. */
export const WRONG_ANSWERS: Record<string, WrongAnswer> = {
  '404': json(404, { error: 'no such resource' }),
  '401': json(401, { error: 'invalid credentials' }, { 'www-authenticate': 'Bearer' }),
  '302 to a login page': (response) => response.writeHead(302, { location: LOGIN }).end(),
  '429': json(429, { error: 'too many requests' }, retryAfter),
  '500': json(500, { error: 'internal error' }),
  '502 in HTML': page(502),
  '503': json(503, { error: 'unavailable' }, retryAfter),
  'HTML with status 200': page(200),
  'JSON of another kind': json(200, { ok: true }),
  'half an answer': (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"status":"capt');
    response.socket?.end();
  },
  'no answer': () => undefined,
  'a reset connection': (response) => response.socket?.resetAndDestroy(),
};

/**
 * Stands before the payment provider and passes everything on, until it is told to answer wrongly: then it does so to
 * whatever is asked, of which half has been done by the provider nevertheless.
 */
export class ProviderDoor {
  /** Wrong answers so far, by their names. */
  readonly given = new Map<string, number>();
  /** Requests that came again before the time that `Retry-After` had named. */
  hurried = 0;
  #wrong: string | undefined;
  /** What was asked and is answered wrongly, or not at all. */
  readonly #open = new Set<ServerResponse>();
  readonly #notBefore = new Map<string, number>();
  readonly #server: Server;

  private constructor(
    readonly port: number,
    private readonly target: number,
    private readonly random: Random,
  ) {
    this.#server = createServer((asked, response) => this.#answer(asked, response));
  }

  /** Listens on a port of its own, none of `taken`. */
  static async before(target: number, taken: readonly number[], random: Random): Promise<ProviderDoor> {
    let port = await freePort();
    while (taken.includes(port)) port = await freePort();
    const door = new ProviderDoor(port, target, random);
    door.#server.listen(port, '127.0.0.1');
    await once(door.#server, 'listening');
    return door;
  }

  /** From now on answers so; in no wrong way, when none is named. */
  answers(wrong: string | undefined): void {
    this.#wrong = wrong;
    // Whoever waits for an answer that will not come is let go.
    for (const response of this.#open) response.destroy();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(asked: IncomingMessage, response: ServerResponse): void {
    if (asked.url === LOGIN) return page(200)(response);
    const wrong = this.#wrong;
    this.#noteHurry(asked, wrong);
    if (wrong === undefined) return this.#pass(asked, response);
    this.given.set(wrong, (this.given.get(wrong) ?? 0) + 1);
    this.#open.add(response.once('close', () => this.#open.delete(response)));
    if (this.random.int(0, 1) === 0) {
      asked.resume().once('end', () => WRONG_ANSWERS[wrong]!(response));
      return;
    }
    this.#pass(asked, undefined, () => WRONG_ANSWERS[wrong]!(response));
  }

  /** Lets the provider do it, and gives its answer to whoever is to have it. */
  #pass(asked: IncomingMessage, response: ServerResponse | undefined, done?: () => void): void {
    const { method, url, headers } = asked;
    const gone = () => {
      response?.destroy();
      done?.();
    };
    const passed = request({ host: '127.0.0.1', port: this.target, method, path: url, headers }, (answer) => {
      if (response) answer.pipe(response.writeHead(answer.statusCode!, answer.headers));
      else answer.resume().once('end', () => done?.());
    });
    passed.once('error', gone);
    asked.pipe(passed);
  }

  #noteHurry({ url, headers }: IncomingMessage, wrong: string | undefined): void {
    const key = `${url} ${headers['idempotency-key'] as string}`;
    if (performance.now() < (this.#notBefore.get(key) ?? 0)) this.hurried++;
    if (wrong === '429' || wrong === '503')
      this.#notBefore.set(key, performance.now() + RETRY_AFTER_S * 1000 - TOLERANCE_MS);
  }
}
