import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Logger } from '@nestjs/common';
import { RetryLater } from '@pavane/jetstream';
import { pauseAskedFor, ProviderClient } from './client.js';

let server: Server;
let answer: RequestListener;
let asked: { url: string; key: string | undefined }[];
let logged: { level: string; about: Record<string, unknown> }[];
beforeEach(async () => {
  asked = [];
  logged = [];
  for (const level of ['warn', 'error'] as const)
    jest.spyOn(Logger.prototype, level).mockImplementation((_: unknown, about?: unknown) => {
      logged.push({ level, about: about as Record<string, unknown> });
    });
  server = createServer((request, response) => {
    asked.push({ url: request.url!, key: request.headers['idempotency-key'] as string | undefined });
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  jest.restoreAllMocks();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const urlOf = (path = '') => `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
const client = (url = urlOf()) => new ProviderClient({ url, timeoutMs: 300 });
const charge = (on: ProviderClient) =>
  on.ask(
    { operation: 'charge', orderId: 'o1', path: '/charges', headers: { 'idempotency-key': 'o1' }, body: '{}' },
    (status, { status: is }) => (status === 201 && is === 'captured' ? { type: 'captured' as const } : undefined),
  );
const answers =
  (status: number, body = '{"error":"no"}', headers: Record<string, string> = {}): RequestListener =>
  (_, response) =>
    response.writeHead(status, headers).end(body);
const outcomeOf = (asking: Promise<{ type: string }>) =>
  asking.then(
    ({ type }) => type,
    (error: unknown) => (error instanceof RetryLater ? 'retry later' : String(error)),
  );

it.each([
  ['', '/charges'],
  ['/', '/charges'],
  ['/payments/v2', '/payments/v2/charges'],
  ['/payments/v2/', '/payments/v2/charges'],
  ['/payments?region=eu', '/payments/charges?region=eu'],
])('keeps the base path %j of the URL', async (base, url) => {
  answer = answers(201, '{"status":"captured"}');
  expect(await charge(client(urlOf(base)))).toEqual({ type: 'captured' });
  expect(asked).toEqual([{ url, key: 'o1' }]);
});

describe('an answer that settles nothing', () => {
  const silent: RequestListener = () => undefined;
  const login = { location: 'https://login.example/?token=secret' };
  it.each<[string, string, string, string, RequestListener]>([
    ['a page that is not there', 'not_found', 'unknown', 'error', answers(404)],
    ['wrong credentials', 'unauthorized', 'retry later', 'error', answers(401)],
    ['a redirect to a login page', 'redirected', 'unknown', 'error', answers(302, '', login)],
    ['too many requests', 'rate_limited', 'retry later', 'warn', answers(429)],
    ['a server error', 'server_error', 'unknown', 'warn', answers(500, '{"status":"captured"}')],
    ['another refusal', 'refused', 'unknown', 'warn', answers(400)],
    ['something that is not JSON', 'malformed', 'unknown', 'warn', answers(201, '<html>')],
    ['JSON that means nothing', 'malformed', 'unknown', 'warn', answers(201, '{"status":"maybe"}')],
    ['something endless', 'malformed', 'unknown', 'warn', answers(201, `{"a":"${'x'.repeat(2 ** 21)}"}`)],
    ['nothing in time', 'timeout', 'unknown', 'warn', silent],
    ['half an answer', 'timeout', 'unknown', 'warn', (_, response) => response.writeHead(201).write('{"status":')],
    ['a broken connection', 'no_answer', 'unknown', 'warn', (request) => request.socket.destroy()],
  ])('such as %s is logged by its kind, with its order', async (_, kind, outcome, level, listener) => {
    answer = listener;
    expect(await outcomeOf(charge(client()))).toBe(outcome);
    expect(logged).toEqual([{ level, about: expect.objectContaining({ kind, operation: 'charge', orderId: 'o1' }) }]);
    expect(asked).toHaveLength(1);
    expect(JSON.stringify(logged)).not.toContain('secret');
  });

  it('and a provider that is not there at all are told apart', async () => {
    const url = urlOf();
    await new Promise((resolve) => server.close(resolve));
    expect(await outcomeOf(charge(client(url)))).toBe('retry later');
    expect(logged).toMatchObject([{ about: { kind: 'unreachable' } }]);
  });
});

describe('Retry-After', () => {
  it.each([429, 503])('with %i keeps every request of this process away for so long', async (status) => {
    answer = answers(status, '{}', { 'retry-after': '1' });
    const one = client();
    const first = await charge(one).catch((error: unknown) => error);
    expect(first).toMatchObject(status === 429 ? { code: 'RETRY_LATER', delayMs: 1000 } : { retryAfterMs: 1000 });
    answer = answers(201, '{"status":"captured"}');
    await expect(charge(one)).rejects.toMatchObject({ code: 'RETRY_LATER', delayMs: expect.any(Number) });
    expect(asked).toHaveLength(1);
    const now = Date.now();
    jest.spyOn(Date, 'now').mockReturnValue(now + 1001);
    expect(await charge(one)).toEqual({ type: 'captured' });
  });

  it.each([
    ['2', 2000],
    ['0', 0],
    ['Thu, 01 Jan 1970 00:01:30 GMT', 30_000],
    ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
    ['86400', 300_000],
    ['soon', undefined],
  ])('of %j is read as seconds or as a date, and believed up to five minutes', (value, ms) => {
    expect(pauseAskedFor(value, 60_000)).toBe(ms);
  });
});
