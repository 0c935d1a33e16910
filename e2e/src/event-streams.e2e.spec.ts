import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { eventually } from '@pavane/testing';
import { Browser, followInNode } from './harness/event-source.js';
import type { Problem } from './harness/http.js';
import { Platform } from './harness/platform.js';
import { describeWith } from './harness/programs.js';

jest.setTimeout(90_000);

const PLACES = 20;

let platform: Platform;
let ended: { id: string; ids: string[] };
beforeAll(async () => {
  platform = await Platform.start({ env: { order: { ORDER_FOLLOWERS: String(PLACES) } } });
  const { id } = await platform.place();
  const { history } = await platform.ended(id, ['notifications.sent']);
  ended = { id, ids: history.map((_, i) => String(i + 1)) };
});
afterAll(() => platform?.[Symbol.asyncDispose]());

const addressOf = (id: string) => `${platform.http.url}/orders/${id}/events`;
const open = (id: string, headers: Record<string, string> = {}, signal = AbortSignal.timeout(40_000)) =>
  fetch(addressOf(id), { headers, signal });
const places = async () => PLACES - (await platform.metric(platform.http.url, 'order_followers'));

/** An order that stays pending until the provider answers again. */
async function pending(): Promise<string> {
  await platform.providerFaults({ hang: true });
  return (await platform.place()).id;
}

describe('the event stream of an order', () => {
  it('goes on after the event that came last, and is 204 when nothing follows', async () => {
    expect(ended.ids.length).toBeGreaterThanOrEqual(5);
    const rest = await (await open(ended.id, { 'last-event-id': '2' })).text();
    expect([...rest.matchAll(/^id: (\d+)\ndata: /gm)].map(([, id]) => id)).toEqual(ended.ids.slice(2));
    const nothing = await open(ended.id, { 'last-event-id': ended.ids.at(-1)! });
    expect([nothing.status, await nothing.text()]).toEqual([204, '']);
  });

  it('tells a client when to come back, without touching what it saw last', async () => {
    const first = (await (await open(ended.id, { 'last-event-id': '3' })).text()).trimStart().split('\n\n')[0];
    expect(first).toMatch(/^id: 3\nretry: [123]\d{3}$/);
  });

  it.each(['x', '-1', '1.5', '1e3', 'ffffffff-ffff'])('refuses the Last-Event-ID %s', async (last) => {
    const answer = await open(ended.id, { 'last-event-id': last });
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as Problem).errors).toMatchObject([{ field: 'Last-Event-ID' }]);
  });

  it('is a 404 problem for an order that is not there', async () => {
    const answer = await open(randomUUID());
    expect([answer.status, await answer.json()]).toMatchObject([404, { type: '/docs/errors#order-unknown' }]);
  });

  it('is open to an id in capitals', async () => {
    expect(await (await open(ended.id.toUpperCase())).text()).toContain('orders.confirmed');
  });

  it('that is silent carries a comment within 20 s', async () => {
    const stop = new AbortController();
    const { body } = await open(await pending(), {}, stop.signal);
    let text = '';
    const reading = (async () => {
      for await (const chunk of body!) text += Buffer.from(chunk).toString();
    })().catch(() => undefined);
    await eventually(() => expect(text).toMatch(/^: *$/m), { withinMs: 20_000 });
    stop.abort();
    await reading;
    await platform.providerFaults({});
  });
});

describe('the places of an instance', () => {
  it('are counted; who comes beyond is asked to come later, and each that goes makes room', async () => {
    const id = await pending();
    await eventually(async () => expect(await places()).toBe(PLACES));
    const stops = Array.from({ length: PLACES }, () => new AbortController());
    await Promise.all(stops.map(({ signal }) => open(id, {}, signal)));
    expect(await places()).toBe(0);
    const refused = await open(id);
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ type: '/docs/errors#too-many-followers' });
    // Orders are nothing to it.
    expect((await platform.http.read(id)).status).toBe('pending');
    for (const stop of stops) stop.abort();
    await eventually(async () => expect(await places()).toBe(PLACES));
    // Nobody keeps a place who is answered, or refused, at once.
    for (const headers of [{ 'last-event-id': '99' }, { 'last-event-id': 'x' }]) await open(ended.id, headers);
    await open(randomUUID());
    expect(await places()).toBe(PLACES);
    await platform.providerFaults({});
    await platform.ended(id, ['notifications.sent'], 30_000);
  });

  it('do not hold up a stop: streams end, and the process exits with 0', async () => {
    const id = await pending();
    const streams = await Promise.all(Array.from({ length: PLACES }, () => open(id)));
    const order = platform.service('order');
    const started = performance.now();
    const stopped = order.stop('SIGTERM');
    const texts = await Promise.all(streams.map((stream) => stream.text()));
    expect(texts.every((text) => text.includes('orders.created'))).toBe(true);
    expect(await stopped).toBe(0);
    expect(performance.now() - started).toBeLessThan(10_000);
    await order.start();
    await platform.providerFaults({});
    await platform.ended(id, ['notifications.sent'], 30_000);
  });
});

it('an EventSource of Node opens once, gets every event once and stays closed', async () => {
  expect(await followInNode(addressOf(ended.id))).toEqual({ opens: 1, ids: ended.ids });
});

describeWith(
  'chromium',
  'CHROMIUM_BIN',
  'Debian: apt-get install chromium',
)('an EventSource of Chromium', () => {
  it('opens once, gets every event once and stays closed', async () => {
    await using browser = await Browser.open(platform.http.url);
    expect(await browser.follow(addressOf(ended.id))).toEqual({ opens: 1, ids: ended.ids });
  });

  it('that loses its instance in the middle comes back, gets what it missed, once, and stays closed', async () => {
    await using browser = await Browser.open(platform.http.url);
    const id = await pending();
    const followed = browser.follow(addressOf(id));
    await eventually(async () => expect(await places()).toBe(PLACES - 1));
    const order = platform.service('order');
    await order.stop('SIGTERM');
    await platform.providerFaults({});
    await order.start();
    const { history } = await platform.ended(id, ['notifications.sent'], 30_000);
    expect(await followed).toEqual({ opens: 2, ids: history.map((_, i) => String(i + 1)) });
  });
});

it('leaves the platform as it must be', async () => {
  await platform.holds();
});
