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
