import { request } from 'node:http';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';

/** A request as a stranger may send it. */
export interface StrangeRequest {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: Buffer;
}

export interface Subject {
  /** Of the service. */
  url: string;
  /** Paths it serves. `*` in one stands for anything. */
  paths: readonly string[];
  /** Bodies it takes. */
  bodies: readonly object[];
  /** Answers that say nothing of the request, such as that there is too much to do. */
  apartFrom?: RegExp;
  numRuns?: number;
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];
const TYPES = [
  'application/json',
  'application/json; charset=utf-8',
  'application/json; charset=utf-16le',
  'application/json; charset="\\',
  'application/json;;=',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=',
  'text/plain',
  '/',
  '',
];
const STRANGE = [
  null,
  true,
  -0,
  0.5,
  1e308,
  2 ** 53,
  '',
  'a\0b',
  'a\ud800b',
  '\udfff',
  'Grüße 👩‍🚀',
  'x'.repeat(300),
  '2026-W49',
  '2026-02-30T00:00:00Z',
  [],
  [[]],
  [[{}]],
  {},
  { '': 1 },
  { length: 3 },
  { toString: 1 },
  JSON.parse('{"__proto__": {"a": 1}, "constructor": {"prototype": 1}}') as unknown,
  Array.from({ length: 2_000 }, () => ({})),
];

/** Sends requests of every kind; rejects with the smallest that was answered with a 5xx, or with an error that is no problem. */
export async function answersEverything({ url, paths, bodies, apartFrom, numRuns = 500 }: Subject): Promise<void> {
  await fc.assert(
    fc.asyncProperty(strangeRequest(paths, bodies), async (sent) => {
      const { status, type, text } = await send(url, sent);
      if (apartFrom?.test(text)) return;
      const isProblem = type.startsWith('application/problem+json') || text === '';
      if (status >= 500 || (status >= 400 && !isProblem)) throw new Error(`answered with ${status} ${type}: ${text}`);
    }),
    { numRuns },
  );
}

function strangeRequest(paths: readonly string[], bodies: readonly object[]): fc.Arbitrary<StrangeRequest> {
  return fc
    .record({
      method: fc.oneof({ weight: 4, arbitrary: fc.constant('POST') }, fc.constantFrom(...METHODS)),
      path: pathOf(paths),
      headers: fc.record({
        'content-type': mostly('application/json', fc.oneof(fc.constantFrom(...TYPES), latin1())),
        'idempotency-key': mostly('', latin1(300)),
        'x-forwarded-for': fc.option(fc.oneof(fc.constantFrom('::1', '1.2.3.4, x', ',,', '999.9.9.9'), latin1())),
        traceparent: fc.option(latin1(60)),
        'last-event-id': fc.option(latin1()),
        accept: fc.option(latin1()),
        range: fc.option(fc.constantFrom('bytes=0-', 'bytes=9-1', '=')),
        'x-anything': fc.option(latin1()),
      }),
      body: bodyOf(bodies),
      coding: mostly('', fc.constantFrom('gzip', 'br', 'deflate', 'identity', 'gzip, gzip', 'x')),
    })
    .map(({ method, path, headers, body, coding }) => {
      const given = Object.entries(headers).filter((header): header is [string, string] => !!header[1]);
      const key = headers['idempotency-key'] || `strange-${Math.random()}`;
      return {
        method,
        path,
        headers: Object.fromEntries([
          ...given,
          ['idempotency-key', key],
          ...(coding ? [['content-encoding', coding]] : []),
        ]),
        body,
      };
    });
}

/** Any characters that HTTP lets into a header or, up to `~`, into a path: others reach no service. */
function latin1(maxLength = 20, last = 0xff): fc.Arbitrary<string> {
  const unit = fc.integer({ min: 0x21, max: last }).filter((code) => code !== 0x7f);
  return fc.array(unit, { maxLength }).map((codes) => String.fromCharCode(...codes));
}

function mostly(usual: string, other: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof({ weight: 4, arbitrary: fc.constant(usual) }, other);
}

function pathOf(paths: readonly string[]): fc.Arbitrary<string> {
  const escape = fc.constantFrom(
    '%00',
    '%',
    '%zz',
    '%ff',
    '%2f',
    '%2e%2e',
    '..',
    '%ed%a0%80',
    '%F0%9F%91%A9',
    '\\',
    ':',
  );
  const part = fc
    .array(fc.oneof(escape, latin1(4, 0x7e)), { maxLength: 4 })
    .map((some) => some.join('').replaceAll('?', ''));
  const query = fc.option(fc.oneof(part, fc.constantFrom('a=1&a=2', 'a[b]=1', '__proto__[a]=1', 'page=%00', 'page=')));
  return fc
    .record({ path: fc.constantFrom(...paths, '/*'), part, query })
    .map(({ path, part: anything, query: asked }) => {
      const whole = path.replaceAll('*', anything) || '/';
      return asked === null ? whole : `${whole}?${asked}`;
    });
}

function bodyOf(bodies: readonly object[]): fc.Arbitrary<Buffer> {
  const value = fc.oneof(fc.constantFrom<unknown>(...STRANGE), fc.jsonValue());
  const changed = fc
    .record({
      good: fc.constantFrom(...bodies),
      changes: fc.array(fc.tuple(fc.nat(), value), { minLength: 1, maxLength: 3 }),
    })
    .map(({ good, changes }) => {
      const body = structuredClone(good);
      for (const [where, to] of changes) {
        const [parent, key] = places(body)[where % places(body).length]!;
        parent[key] = structuredClone(to);
      }
      return JSON.stringify(body);
    });
  const text = fc.oneof(
    { weight: 6, arbitrary: changed },
    fc.constantFrom(...bodies.map((body) => JSON.stringify(body))),
    fc.json(),
    fc.nat({ max: 20_000 }).map((deep) => '['.repeat(deep) + ']'.repeat(deep)),
    fc.nat({ max: 9_000 }).map((deep) => '{"a":'.repeat(deep)),
    fc.nat({ max: 90_000 }).map((length) => JSON.stringify('x'.repeat(length))),
    fc.string(),
  );
  return fc.oneof(
    { weight: 8, arbitrary: text.map((one) => Buffer.from(one)) },
    text.map((one) => Buffer.from(one, 'utf16le')),
    text.map((one) => gzipSync(one)),
    text.map((one) => brotliCompressSync(one)),
    fc.constant(gzipSync(Buffer.alloc(10_000_000, 0x20))),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  );
}

/** Every place in a value where another may be put. */
function places(value: unknown): [Record<string, unknown>, string][] {
  if (typeof value !== 'object' || value === null) return [];
  const parent = value as Record<string, unknown>;
  const own = Object.keys(parent).flatMap((key): [Record<string, unknown>, string][] => [
    [parent, key],
    ...places(parent[key]),
  ]);
  return [...own, [parent, Array.isArray(value) ? String(value.length) : 'surprise']];
}

/** Not by `fetch`, which mends what is strange. */
function send(url: string, { method, path, headers, body }: StrangeRequest) {
  return new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const length = hasBody ? { 'content-length': body.length } : {};
    const asked = request(url, { method, path, headers: { ...headers, ...length } }, (response) => {
      const { statusCode: status = 0, headers: given } = response;
      const type = given['content-type'] ?? '';
      // Only the head of an event stream matters here.
      if (type.startsWith('text/event-stream')) {
        response.destroy();
        resolve({ status, type, text: '' });
        return;
      }
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status, type, text })).on('error', reject);
    });
    asked.on('error', reject);
    asked.end(hasBody ? body : undefined);
  });
}
