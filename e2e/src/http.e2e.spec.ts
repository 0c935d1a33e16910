import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { answersEverything } from '@pavane/testing/requests';
import { SERVICES } from '@pavane/tools';
import { bodyOf, type Order } from './harness/http.js';
import { Platform, uniqueKey } from './harness/platform.js';

jest.setTimeout(60_000);

let platform: Platform;
beforeAll(async () => {
  platform = await Platform.start();
});
afterAll(() => platform?.[Symbol.asyncDispose]());

/** Rows that an accepted order would leave. */
async function stored(): Promise<number[]> {
  return Promise.all([
    platform.count('order', 'orders'),
    platform.count('order', 'history'),
    ...SERVICES.map((service) => platform.count(service, 'messaging.outbox')),
  ]);
}

const line = (change: object) => ({ ...bodyOf(), items: [{ sku: 'CUP', quantity: 1, ...change }] });
const without = (field: keyof ReturnType<typeof bodyOf>) => {
  const { [field]: _, ...rest } = bodyOf();
  return rest;
};

describe('a bad order is refused with a problem that names the field and the remedy, and nothing is stored', () => {
  it.each<[what: string, body: unknown, status: number, field: string]>([
    ['an unknown SKU', line({ sku: 'UNOBTAINIUM' }), 400, 'items[0].sku'],
    [
      'an unknown SKU on its second line',
      { ...bodyOf(), items: [...bodyOf().items, { sku: 'X', quantity: 1 }] },
      400,
      'items[1].sku',
    ],
    ['a SKU with strange characters', line({ sku: 'CUP; DROP' }), 400, 'items[0].sku'],
    ['quantity 0', line({ quantity: 0 }), 400, 'items[0].quantity'],
    ['quantity 10,001', line({ quantity: 10_001 }), 400, 'items[0].quantity'],
    ['a negative quantity', line({ quantity: -1 }), 400, 'items[0].quantity'],
    ['half a piece', line({ quantity: 0.5 }), 400, 'items[0].quantity'],
    ['a quantity in words', line({ quantity: 'two' }), 400, 'items[0].quantity'],
    ['a price of its own', line({ price: 1 }), 400, 'items[0].price'],
    ['a total of its own', { ...bodyOf(), total: { amount: 1, currency: 'EUR' } }, 400, 'total'],
    ['an unknown field', { ...bodyOf(), coupon: 'FREE' }, 400, 'coupon'],
    ['no lines', { ...bodyOf(), items: [] }, 400, 'items'],
    ['51 lines', { ...bodyOf(), items: Array.from({ length: 51 }, () => ({ sku: 'CUP', quantity: 1 })) }, 400, 'items'],
    ['items that are no list', { ...bodyOf(), items: 'CUP' }, 400, 'items'],
    ['items of null', { ...bodyOf(), items: [null] }, 400, 'items'],
    ['a list of lines in its list', { ...bodyOf(), items: [bodyOf().items] }, 400, 'items[0]'],
    ['an empty list in its list', { ...bodyOf(), items: [[]] }, 400, 'items[0]'],
    ['NUL', { ...bodyOf(), paymentMethod: 'a\0b' }, 400, 'paymentMethod'],
    ['half of a surrogate pair', { ...bodyOf(), paymentMethod: 'a\ud800b' }, 400, 'paymentMethod'],
    ['a field called constructor', { ...bodyOf(), constructor: {} }, 400, 'constructor'],
    ['no items', without('items'), 400, 'items'],
    ['no customer', without('customerId'), 400, 'customerId'],
    ['no payment method', without('paymentMethod'), 400, 'paymentMethod'],
    ['an email that is none', { ...bodyOf(), email: 'nobody' }, 400, 'email'],
    [
      'a total beyond what can be counted',
      { ...bodyOf(), items: Array.from({ length: 50 }, () => ({ sku: 'TEAPOT', quantity: 10_000 })) },
      400,
      'items',
    ],
  ])('%s', async (_, body, status, field) => {
    const before = await stored();
    const answer = await platform.http.postOrder(body);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({
      status,
      type: expect.stringMatching(/^\/docs\/errors#/),
      title: expect.any(String),
    });
    const named = answer.body.errors?.find((error) => error.field === field || error.field.startsWith(`${field}[`));
    expect([answer.body.errors, named?.message, named?.remedy]).toEqual([
      expect.anything(),
      expect.stringMatching(/\w/),
      expect.stringMatching(/\w/),
    ]);
    expect(await stored()).toEqual(before);
  });

  it.each<[what: string, body: string, headers: Record<string, string>, status: number, says: RegExp]>([
    ['malformed JSON', '{"customerId": ', {}, 400, /malformed-json/],
    ['JSON that is no object', '[]', {}, 400, /invalid-request/],
    ['nothing', '', {}, 400, /invalid-request/],
    [
      'a body over the limit',
      JSON.stringify({ ...bodyOf(), customerId: 'x'.repeat(70_000) }),
      {},
      413,
      /body-too-large/,
    ],
    ['another format than JSON', '<order/>', { 'content-type': 'application/xml' }, 415, /unsupported-media-type/],
  ])('%s', async (_, body, headers, status, says) => {
    const before = await stored();
    const answer = await platform.http.post('/orders', body, { 'idempotency-key': uniqueKey(), ...headers });
    expect(answer).toMatchObject({ status, body: { type: expect.stringMatching(says), detail: expect.any(String) } });
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await stored()).toEqual(before);
  });

  it.each<[what: string, headers: Record<string, string>]>([
    ['no Idempotency-Key', {}],
    ['an Idempotency-Key of 256 characters', { 'idempotency-key': 'k'.repeat(256) }],
  ])('%s', async (_, headers) => {
    const before = await stored();
    const answer = await platform.http.post('/orders', bodyOf(), headers);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([
      { field: 'Idempotency-Key', message: expect.any(String), remedy: expect.stringMatching(/Send/) },
    ]);
    expect(await stored()).toEqual(before);
  });

  it.each<[what: string, body: string]>([
    ['20,000 lines without anything in them', JSON.stringify({ ...bodyOf(), items: Array(20_000).fill({}) })],
    ['items 20,000 deep', JSON.stringify(bodyOf()).replace(/\[.*\]/, `${'['.repeat(20_000)}${']'.repeat(20_000)}`)],
  ])('%s, in a few words', async (_, body) => {
    const answer = await platform.http.post('/orders', body, { 'idempotency-key': uniqueKey() });
    expect(answer).toMatchObject({ status: 400, body: { errors: [expect.anything()] } });
    expect(JSON.stringify(answer.body).length).toBeLessThan(1000);
  });

  it('an id that is none, wherever it stands', async () => {
    for (const path of ['/orders/x', '/orders/%00', '/orders/x/events'])
      expect(await platform.http.get(path)).toMatchObject({ status: 400, body: { errors: [{ field: 'id' }] } });
  });

  it('whatever it is, and never with a fault of the server', async () => {
    const { body } = await platform.http.postOrder<Order>(bodyOf());
    const paths = [
      '/orders',
      '/orders',
      '/orders/*',
      `/orders/${body.id}/*`,
      `/orders/${body.id}/cancel`,
      '/products/*',
    ];
    await answersEverything({ url: platform.http.url, paths, bodies: [bodyOf()], apartFrom: /errors#overloaded"/ });
  });

  it('explains every problem it names at the address the problem gives', async () => {
    const { body } = await platform.http.postOrder(line({ sku: 'UNOBTAINIUM' }));
    const [page, anchor] = body.type.split('#');
    const explained = await platform.http.get<string>(page!);
    expect(explained).toMatchObject({ status: 200, body: expect.stringContaining(`id="${anchor}"`) });
  });
});

describe('an Idempotency-Key', () => {
  it('answers the same order when the same request comes again', async () => {
    const key = uniqueKey();
    const first = await platform.http.postOrder<Order>(bodyOf(), key);
    const again = await platform.http.postOrder<Order>(bodyOf(), key);
    expect([first.status, again.status]).toEqual([202, 202]);
    expect(again.body.id).toBe(first.body.id);
    expect(again.headers.get('location')).toBe(first.headers.get('location'));
  });

  it('is the same request whatever the order of its fields', async () => {
    const key = uniqueKey();
    const first = await platform.http.postOrder<Order>(bodyOf(), key);
    const turned = Object.fromEntries(Object.entries(bodyOf()).toReversed());
    const again = await platform.http.postOrder<Order>(turned, key);
    expect(again).toMatchObject({ status: 202, body: { id: first.body.id } });
  });

  it('makes one order of 20 requests at once', async () => {
    const before = await platform.count('order', 'orders');
    const key = uniqueKey();
    const answers = await Promise.all(Array.from({ length: 20 }, () => platform.http.postOrder<Order>(bodyOf(), key)));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 202));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(await platform.count('order', 'orders')).toBe(before + 1);
    await platform.ended(answers[0]!.body.id);
    expect(await platform.charge(answers[0]!.body.id)).toMatchObject({ captures: 1 });
  });

  it('is refused with 422 for another body, which is not stored', async () => {
    const key = uniqueKey();
    await platform.http.postOrder<Order>(bodyOf(), key);
    const before = await platform.count('order', 'orders');
    const other = await platform.http.postOrder(bodyOf({ items: [{ sku: 'CUP', quantity: 2 }] }), key);
    expect(other).toMatchObject({
      status: 422,
      body: { errors: [{ field: 'Idempotency-Key', remedy: expect.stringMatching(/fresh key/) }] },
    });
    expect(await platform.count('order', 'orders')).toBe(before);
  });

  it('is not used up by a request that was refused', async () => {
    const key = uniqueKey();
    expect((await platform.http.postOrder(line({ quantity: 0 }), key)).status).toBe(400);
    expect((await platform.http.postOrder(bodyOf(), key)).status).toBe(202);
  });
});

it('leaves the platform as it must be', async () => {
  await platform.holds();
});
