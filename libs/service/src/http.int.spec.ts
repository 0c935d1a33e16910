import { answersEverything } from '@pavane/testing/requests';
import { freePort } from '@pavane/testing/servers';
import { FixtureApp } from './fixtures/fixture-app.js';

/** None of this needs a dependency, so it is given none. */
let app: FixtureApp;

beforeAll(async () => {
  app = await start();
  await app.answers('/health/live', 200);
});

afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
});

describe('an error', () => {
  it.each([
    ['JSON that ends too early', post('{"items":'), 400, 'malformed-json'],
    ['a body above the limit', post(JSON.stringify({ items: [], note: 'x'.repeat(70_000) })), 413, 'body-too-large'],
    ['a body in another format', post('<items/>', 'application/xml'), 415, 'unsupported-media-type'],
    ['an unknown route', () => app.get('/nowhere'), 404, 'unknown-route'],
    ['a fault of the server', () => app.get('/boom'), 500, 'internal-error'],
    ['a dependency that is away', () => app.get('/database'), 503, 'temporarily-unavailable'],
    ['a problem of the app', () => app.get('/late'), 422, 'too-late'],
  ])('is a problem with its own type for %s', async (_what, request, status, slug) => {
    const response = await request();
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toContain('application/problem+json');
    const problem = (await response.json()) as Record<string, unknown>;
    expect(problem).toMatchObject({ type: `/docs/errors#${slug}`, status, instance: new URL(response.url).pathname });
    expect(typeof problem['title']).toBe('string');
  });

  it('names every field that is wrong, where it is and what to do', async () => {
    const response = await post(
      JSON.stringify({
        items: [
          { sku: 'a', quantity: 0 },
          { sku: 'b', price: 1 },
        ],
      }),
    )();
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      type: '/docs/errors#invalid-request',
      errors: expect.arrayContaining([
        {
          field: 'items[0].quantity',
          message: 'must not be less than 1',
          remedy: 'send a value that is not less than 1',
        },
        { field: 'items[1].price', message: 'is not a known field', remedy: 'remove it or correct its name' },
        { field: 'items[1].quantity', message: 'is missing', remedy: 'add it; it must be an integer number' },
      ]),
    });
  });

  it.each<[string, unknown, string[]]>([
    ['a list in a list', { items: [[{ sku: 'a', quantity: 1 }]] }, ['items[0]']],
    ['an empty list in a list', { items: [[]] }, ['items[0]']],
    ['an object for a list', { items: {} }, ['items']],
    ['NUL', { items: [{ sku: 'a\0', quantity: 1 }] }, ['items[0].sku']],
    ['half of a surrogate pair', { items: [], note: 'a\ud800' }, ['note']],
    ['a list for the whole', [], ['body']],
    ['text for the whole', 'items', ['body']],
    ['a field called constructor', { items: [], constructor: {} }, ['constructor']],
    [
      'a misspelt field beside what is missing',
      { items: [{ sku: 'a', kwantity: 1 }] },
      ['items[0].kwantity', 'items[0].quantity'],
    ],
  ])('names the field that is not built as it must be: %s', async (_, body, fields) => {
    const response = await post(JSON.stringify(body))();
    expect(response.status).toBe(400);
    const { errors } = (await response.json()) as { errors: { field: string; remedy: string }[] };
    expect([...new Set(errors.map(({ field }) => field))]).toEqual(fields);
    for (const { remedy } of errors) expect(remedy).toMatch(/\w/);
  });

  it('names a parameter that is wrong', async () => {
    const id = '7f9c24e8-3b12-4fef-91d4-1f1c2d3e4f50';
    for (const [query, field] of [
      ['kind=a&kind=b', 'kind'],
      ['after=a&after=b', 'after'],
      ['after=%00', 'after'],
    ]) {
      const response = await app.get(`/things/${id}?${query}`);
      expect([query, response.status]).toEqual([query, 400]);
      expect(await response.json()).toMatchObject({
        errors: expect.arrayContaining([expect.objectContaining({ field })]),
      });
    }
  });

  it.each([
    ['deep nesting', `{"items":${'['.repeat(20_000)}${']'.repeat(20_000)}}`],
    ['very many lines', JSON.stringify({ items: Array.from({ length: 20_000 }, () => ({})) })],
    [
      'very many fields',
      JSON.stringify({ items: [], ...Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`f${i}`, i])) }),
    ],
  ])('is short however much is wrong: %s', async (_, body) => {
    const response = await post(body)();
    expect(response.status).toBe(400);
    expect((await response.text()).length).toBeLessThan(4_000);
  });

  it.each([
    ['bytes that are not UTF-8', Buffer.from('{"note":"\xff"}', 'latin1'), {}, 400, 'malformed-json'],
    [
      'another character set',
      '{}',
      { 'content-type': 'application/json; charset=utf-16' },
      415,
      'unsupported-media-type',
    ],
    ['a compressed body', '{}', { 'content-encoding': 'gzip' }, 415, 'unsupported-media-type'],
  ])('is a problem for %s', async (_, body, headers, status, slug) => {
    const response = await app.get('/things', {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json', ...headers },
    });
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ type: `/docs/errors#${slug}` });
  });

  it('is never a fault of the server, whatever is sent', async () => {
    const bodies = [
      {
        items: [
          { sku: 'a', quantity: 1 },
          { sku: 'b', quantity: 2 },
        ],
        note: 'n',
      },
    ];
    const paths = [
      '/things',
      '/things/7f9c24e8-3b12-4fef-91d4-1f1c2d3e4f50',
      '/things/*',
      '/docs/*',
      '/metrics',
      '/late',
    ];
    await answersEverything({ url: app.url(''), paths, bodies });
  });

  it('keeps internals inside and leaves the cause in the log, under the same trace', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const response = await app.get('/boom', { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } });
    const text = await response.text();
    expect(text).not.toContain('secret internals');
    expect(JSON.parse(text)).toMatchObject({ traceId });
    const line = app.output.split('\n').find((each) => each.includes(traceId) && each.includes('secret internals'));
    expect(JSON.parse(line ?? '{}')).toMatchObject({ level: 'error', service: 'fixture', path: '/boom', traceId });
  });

  it('says when to come back', async () => {
    expect((await app.get('/late')).headers.get('retry-after')).toBe('7');
  });
});

describe('the HTTP door', () => {
  it('describes itself and its errors', async () => {
    expect(await (await app.get('/docs-json')).json()).toMatchObject({
      info: { title: 'fixture' },
      paths: { '/things': {} },
    });
    expect(await (await app.get('/docs')).text()).toContain('swagger-ui');
    expect(await (await app.get('/docs/errors')).text()).toContain('id="body-too-large"');
  });

  it('measures requests by route template and status', async () => {
    await app.get('/late');
    const metrics = await (await app.get('/metrics')).text();
    expect(metrics).toMatch(
      /http_server_request_duration_seconds_count\{method="GET",route="\/late",status="422"\} \d+/,
    );
    expect(metrics).toContain('process_resident_memory_bytes');
  });

  it('turns an address away that asks too often, but never a probe', async () => {
    await using limited = await start({ RATE_LIMIT: '2' });
    await limited.answers('/health/live', 200);
    await limited.get('/late');
    await limited.get('/late');
    const refused = await limited.get('/late');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ type: '/docs/errors#rate-limited' });
    expect((await limited.get('/health/live')).status).toBe(200);
  });
});

async function start(more: Record<string, string> = {}): Promise<FixtureApp> {
  const nobody = await freePort();
  return FixtureApp.start({
    DATABASE_URL: `postgresql://nobody@127.0.0.1:${nobody}/fixture`,
    NATS_URL: `nats://127.0.0.1:${nobody}`,
    PROVIDER_URL: 'http://127.0.0.1:4010',
    ...more,
  });
}

function post(body: string, type = 'application/json'): () => Promise<Response> {
  return () => app.get('/things', { method: 'POST', body, headers: { 'content-type': type } });
}
