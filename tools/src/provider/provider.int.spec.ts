import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { type HttpServer, serveHttp } from '../http.js';
import { spawnMain } from '../spawn-main.js';
import { signatureOf } from '../webhooks.js';
import { startProvider } from './provider.js';

const dir = mkdtempSync(join(tmpdir(), 'pavane-spec-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let provider: HttpServer;
beforeEach(async () => {
  provider = await startProvider({ port: 0, slowChargeMs: 100 });
});
afterEach(() => provider.close());

describe('a charge', () => {
  it('is captured once, and the same key gets the same answer', async () => {
    const first = await charge('o1');
    expect(first).toEqual({
      status: 201,
      body: { key: 'o1', status: 'captured', amount: 1250, currency: 'EUR', at: expect.any(String) },
    });
    expect(await charge('o1')).toEqual({ status: 200, body: first.body });
    expect((await ledger()).charges).toMatchObject([{ key: 'o1', captures: 1 }]);
  });

  it('is refused when its key was used for another amount', async () => {
    await charge('o1');
    expect(await charge('o1', { amount: 1251 })).toMatchObject({ status: 409 });
    expect(await ledger()).toMatchObject({ captured: 1250 });
  });

  it('is declined for card_declined, every time it is asked', async () => {
    const declined = { status: 402, body: { key: 'o1', status: 'declined', reason: 'card declined' } };
    expect(await charge('o1', { method: 'card_declined' })).toEqual(declined);
    expect(await charge('o1', { method: 'card_declined' })).toEqual(declined);
    expect(await ledger()).toMatchObject({ captured: 0 });
  });

  it('is pending for card_slow until its time has passed, and captured once for all who wait', async () => {
    const both = Promise.all([charge('o1', { method: 'card_slow' }), charge('o1', { method: 'card_slow' })]);
    await eventually(async () => expect(await get('/charges/o1')).toMatchObject({ body: { status: 'pending' } }));
    expect((await both).map(({ body }) => body['status'])).toEqual(['captured', 'captured']);
    expect((await ledger()).charges).toMatchObject([{ captures: 1 }]);
  });

  it('is captured although its caller went away', async () => {
    const caller = new AbortController();
    const gone = charge('o1', { method: 'card_slow' }, caller.signal);
    await eventually(async () => expect(await get('/charges/o1')).toMatchObject({ status: 200 }));
    caller.abort();
    await expect(gone).rejects.toThrow('aborted');
    await eventually(async () => expect(await get('/charges/o1')).toMatchObject({ body: { status: 'captured' } }));
  });

  it('fails twice for card_flaky before it is captured', async () => {
    const statuses = [];
    for (let attempt = 0; attempt < 4; attempt++) statuses.push((await charge('o1', { method: 'card_flaky' })).status);
    expect(statuses).toEqual([503, 503, 201, 200]);
  });

  it('is captured without an answer for card_lost_reply, and the next attempt learns of it', async () => {
    await expect(charge('o1', { method: 'card_lost_reply' })).rejects.toThrow('fetch failed');
    expect(await ledger()).toMatchObject({ captured: 1250 });
    expect(await charge('o1', { method: 'card_lost_reply' })).toMatchObject({ status: 200 });
    expect(await ledger()).toMatchObject({ captured: 1250, charges: [{ captures: 1 }] });
  });

  it('waits for its customer for card_3ds, and is captured once when the customer has been to the bank', async () => {
    const { status, body } = await charge('o1', { method: 'card_3ds' });
    expect([status, body]).toEqual([
      202,
      { key: 'o1', status: 'waiting', customerUrl: `${provider.url}/charges/o1/authenticate` },
    ]);
    expect(await charge('o1', { method: 'card_3ds' })).toEqual({ status, body });
    expect(await get('/charges/o1')).toMatchObject({ body: { status: 'waiting' } });
    expect(await post('/charges/o1/authenticate')).toMatchObject({ status: 200 });
    expect(await charge('o1', { method: 'card_3ds' })).toMatchObject({ status: 200, body: { status: 'captured' } });
    expect((await ledger()).charges).toMatchObject([{ captures: 1 }]);
    expect(await post('/charges/o1/authenticate')).toMatchObject({ status: 404 });
  });

  it('that waits is declined when the customer declines, and ended by a void', async () => {
    for (const key of ['o1', 'o2']) await charge(key, { method: 'card_3ds' });
    await post('/charges/o1/authenticate', { decline: true });
    expect(await charge('o1', { method: 'card_3ds' })).toMatchObject({ status: 402 });
    await post('/charges/o2/void');
    expect(await post('/charges/o2/authenticate')).toMatchObject({ status: 404 });
    expect(await ledger()).toMatchObject({ captured: 0 });
  });

  it('is refused when it makes no sense', async () => {
    expect(await charge('o1', { method: 'card_magic' })).toMatchObject({ status: 422 });
    expect(await charge('o1', { amount: 12.5 })).toMatchObject({ status: 422 });
    expect(await charge('', {})).toMatchObject({ status: 400 });
    expect(await get('/charges/o1')).toMatchObject({ status: 404 });
  });
});

describe('a void', () => {
  it('that comes before its charge refuses the charge for good', async () => {
    expect(await post('/charges/o1/void')).toEqual({ status: 200, body: { key: 'o1', status: 'voided' } });
    expect(await post('/charges/o1/void')).toMatchObject({ status: 200 });
    expect(await charge('o1')).toEqual({ status: 409, body: { key: 'o1', status: 'voided' } });
    expect(await ledger()).toMatchObject({ captured: 0 });
  });

  it('ends a pending charge, and its caller learns of it', async () => {
    const slow = charge('o1', { method: 'card_slow' });
    await eventually(async () => expect(await get('/charges/o1')).toMatchObject({ body: { status: 'pending' } }));
    expect(await post('/charges/o1/void')).toMatchObject({ status: 200 });
    expect(await slow).toMatchObject({ status: 409, body: { status: 'voided' } });
    expect(await ledger()).toMatchObject({ captured: 0, charges: [{ status: 'voided', captures: 0 }] });
  });

  it('is refused once money was captured, and needless when it never will be', async () => {
    await charge('o1');
    expect(await post('/charges/o1/void')).toEqual({ status: 409, body: { key: 'o1', status: 'captured' } });
    await charge('o2', { method: 'card_declined' });
    expect(await post('/charges/o2/void')).toMatchObject({ status: 200, body: { status: 'declined' } });
  });
});

describe('a refund', () => {
  it('gives money back once per key, and never more than was captured', async () => {
    await charge('o1');
    const first = await refund('r1', { key: 'o1', amount: 1000 });
    expect(first).toMatchObject({ status: 201, body: { key: 'o1', status: 'refunded', amount: 1000 } });
    expect(await refund('r1', { key: 'o1', amount: 1000 })).toEqual({ status: 200, body: first.body });
    expect(await refund('r1', { key: 'o1', amount: 999 })).toMatchObject({ status: 409 });
    expect(await refund('r2', { key: 'o1', amount: 251 })).toMatchObject({ status: 422 });
    expect(await ledger()).toMatchObject({ captured: 1250, refunded: 1000, charges: [{ refunded: 1000 }] });
  });

  it('needs a charge that was captured', async () => {
    expect(await refund('r1', { key: 'o1', amount: 1 })).toMatchObject({ status: 404 });
    await charge('o1', { method: 'card_declined' });
    expect(await refund('r1', { key: 'o1', amount: 1 })).toMatchObject({ status: 422 });
  });

  it('fails three times for card_refund_flaky before it goes through', async () => {
    await charge('o1', { method: 'card_refund_flaky' });
    const statuses = [];
    for (let n = 0; n < 4; n++) statuses.push((await refund('r1', { key: 'o1', amount: 1250 })).status);
    expect(statuses).toEqual([503, 503, 503, 201]);
    expect(await ledger()).toMatchObject({ refunded: 1250 });
  });
});

describe('faults', () => {
  it('decline the same share of the same charges for the same seed', async () => {
    await post('/faults', { declineRate: 0.5 });
    const keys = Array.from({ length: 40 }, (_, index) => `o${index}`);
    const one = await Promise.all(keys.map(async (key) => (await charge(key)).status));
    await provider.close();
    provider = await startProvider({ port: 0 });
    await post('/faults', { declineRate: 0.5 });
    const two = await Promise.all(keys.toReversed().map(async (key) => (await charge(key)).status));
    expect(two.toReversed()).toEqual(one);
    expect(one.filter((status) => status === 402).length).toBeGreaterThan(8);
    expect(one.filter((status) => status === 201).length).toBeGreaterThan(8);
  });

  it('fail so many refunds as asked', async () => {
    await charge('o1');
    await post('/faults', { refundFailures: 1 });
    expect(await refund('r1', { key: 'o1', amount: 1 })).toMatchObject({ status: 503 });
    expect(await refund('r1', { key: 'o1', amount: 1 })).toMatchObject({ status: 201 });
  });

  it('hold charges unanswered until they are cleared, and take no money', async () => {
    await post('/faults', { hang: true });
    const hung = charge('o1').catch(() => 'dropped');
    await eventually(async () => expect(await get('/faults')).toMatchObject({ body: { held: 1 } }));
    await call('DELETE', '/faults');
    expect(await hung).toBe('dropped');
    expect(await get('/charges/o1')).toMatchObject({ status: 404 });
    expect(await charge('o1')).toMatchObject({ status: 201 });
  });

  it('that do not exist are refused', async () => {
    expect(await post('/faults', { latency: 5 })).toMatchObject({ status: 422 });
  });
});

describe('an account', () => {
  it('is named by a key, without which nothing is done', async () => {
    await provider.close();
    provider = await startProvider({ port: 0, apiKey: 'secret' });
    for (const refused of [charge('o1'), post('/charges/o1/void'), refund('r1', { key: 'o1', amount: 1 })])
      expect(await refused).toMatchObject({ status: 401 });
    const known = { 'idempotency-key': 'o1', authorization: 'Bearer secret' };
    const body = { amount: 1250, currency: 'EUR', method: 'card_ok' };
    expect(await call('POST', '/charges', body, known)).toMatchObject({ status: 201 });
  });

  it('is told of what was decided while nobody waited, signed, and again until it has taken it', async () => {
    const taken: string[] = [];
    const merchant = await serveHttp(
      {
        'POST /hook': ({ header, body }) => {
          taken.push(String(header('webhook-signature')));
          expect(body).toEqual({ type: 'charge.decided', key: 'o1' });
          return { status: taken.length === 1 ? 503 : 204 };
        },
      },
      { port: 0 },
    );
    await provider.close();
    provider = await startProvider({ port: 0, webhook: { url: `${merchant.url}/hook`, secret: 's' } });
    await charge('o1', { method: 'card_3ds' });
    await post('/charges/o1/authenticate');
    await eventually(() => expect(taken).toHaveLength(2));
    const [, seconds] = /^t=(\d+),v1=[0-9a-f]{64}$/.exec(taken[1]!)!;
    expect(taken[1]).toBe(signatureOf('{"type":"charge.decided","key":"o1"}', 's', Number(seconds)));
    await merchant.close();
  });
});

describe('the process', () => {
  const main = join(import.meta.dirname, 'main.ts');
  const env = { PORT: '0', STATE_FILE: join(dir, 'ledger'), SLOW_CHARGE_MS: '60000' };

  it('forgets no money it told of when it is killed, and ends with 0 on SIGTERM', async () => {
    {
      await using first = await spawnMain(main, env);
      provider = elsewhere(first.greeting, provider);
      const keys = Array.from({ length: 200 }, (_, index) => `o${index}`);
      await Promise.all(keys.map((key) => charge(key)));
      await refund('r1', { key: 'o0', amount: 1250 });
      await charge('declined', { method: 'card_declined' });
      await post('/charges/voided/void');
      expect(await first.end('SIGKILL')).toBe('SIGKILL');
    }
    await using second = await spawnMain(main, env);
    provider = elsewhere(second.greeting, provider);
    expect(await ledger()).toMatchObject({ captured: 200 * 1250, refunded: 1250 });
    expect(await charge('o0')).toMatchObject({ status: 200 });
    expect(await refund('r1', { key: 'o0', amount: 1250 })).toMatchObject({ status: 200 });
    expect(await charge('declined', { method: 'card_declined' })).toMatchObject({ status: 402 });
    expect(await charge('voided')).toMatchObject({ status: 409 });

    const slow = charge('slow', { method: 'card_slow' }).catch(() => 'dropped');
    await eventually(async () => expect(await get('/charges/slow')).toMatchObject({ status: 200 }));
    expect(await second.end('SIGTERM')).toBe(0);
    expect(await slow).toBe('dropped');
  });

  it('says which port is busy and which variable is wrong', async () => {
    const port = String(provider.port);
    await expect(spawnMain(main, { ...env, PORT: port })).rejects.toThrow(`port ${port} on 127.0.0.1 is in use`);
    await expect(spawnMain(main, { ...env, PORT: 'web' })).rejects.toThrow('PORT is "web"');
  });
});

interface Reply {
  status: number;
  body: Record<string, unknown>;
}

function charge(key: string, change: Record<string, unknown> = {}, signal?: AbortSignal): Promise<Reply> {
  const body = { amount: 1250, currency: 'EUR', method: 'card_ok', ...change };
  return call('POST', '/charges', body, { 'idempotency-key': key }, signal);
}

function refund(id: string, body: { key: string; amount: number }): Promise<Reply> {
  return call('POST', '/refunds', body, { 'idempotency-key': id });
}

async function ledger(): Promise<Record<string, unknown>> {
  return (await get('/ledger')).body;
}

function get(path: string): Promise<Reply> {
  return call('GET', path);
}

function post(path: string, body?: unknown): Promise<Reply> {
  return call('POST', path, body);
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Reply> {
  const response = await fetch(`${provider.url}${path}`, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal && { signal }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
}

/** The spawned provider in place of the one in this process, which goes when the test does. */
function elsewhere(greeting: string, local: HttpServer): HttpServer {
  const url = /http:\S+/.exec(greeting)?.[0] ?? '';
  return { url, port: Number(new URL(url).port), close: () => local.close() };
}
