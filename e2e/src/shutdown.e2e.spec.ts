import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { durables } from '@pavane/contracts';
import { eventually } from '@pavane/testing';
import type { Child } from '@pavane/tools';
import { HttpClient } from './harness/http.js';
import { load } from './harness/load.js';
import { Platform } from './harness/platform.js';

// Five services stopped and started again, one after the other, with customers in between.
jest.setTimeout(300_000);

/** How often the client looks who is ready, and how long a service that stops goes on serving: some looks long. */
const LOOK_EVERY_MS = 50;
const GRACE = { SHUTDOWN_GRACE: '2s' };
/** What a machine that is busy with something else may take for what is not what this is about. */
const PATIENT = { withinMs: 60_000 };

let platform: Platform;
let secondOrder: { child: Child; url: string };
beforeAll(async () => {
  platform = await Platform.start({
    // No timer comes while deliveries are counted, however slow the machine is.
    orderDeadline: '1h',
    env: { order: GRACE, payment: GRACE, inventory: GRACE, notification: GRACE },
  });
  secondOrder = await platform.addInstance('order');
});
afterAll(() => platform?.[Symbol.asyncDispose]());

/** What stands before instances in a deployment: knows who was ready a moment ago and sends requests there in turn. */
class Balancer implements AsyncDisposable {
  readonly #ready = new Set<string>();
  readonly #looking: Promise<void>;
  #stopped = false;
  #turn = 0;

  constructor(private readonly urls: readonly string[]) {
    this.#looking = this.#look();
  }

  get ready(): number {
    return this.#ready.size;
  }

  pick(): HttpClient {
    const ready = [...this.#ready];
    if (ready.length === 0) throw new Error('no instance is ready');
    return new HttpClient(ready[this.#turn++ % ready.length]!);
  }

  async #look(): Promise<void> {
    while (!this.#stopped) {
      await Promise.all(
        this.urls.map(async (url) => {
          const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
          await answer?.body?.cancel();
          if (answer?.ok) this.#ready.add(url);
          else this.#ready.delete(url);
        }),
      );
      await pause(LOOK_EVERY_MS);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#looking;
  }
}

it('SIGTERM of each service in turn under load: no request fails, each exits 0 within 10 s, and only what it gave back is delivered again', async () => {
  await using balancer = new Balancer([platform.http.url, secondOrder.url]);
  await eventually(() => expect(balancer.ready).toBe(2), PATIENT);
  const accepted: string[] = [];
  const failures: unknown[] = [];
  const end = new AbortController();
  const customers = Array.from({ length: 4 }, async () => {
    while (!end.signal.aborted) {
      await load(
        async (order) => {
          const placed = await balancer.pick().place(order);
          accepted.push(placed.id);
          return placed;
        },
        { count: 10, width: 1 },
      ).catch((error: unknown) => failures.push(error));
      await pause(20);
    }
  });
  const givenBack = await platform.broker.givenBack();

  const rolled: [string, Child][] = [
    ['order', platform.service('order')],
    ['order-2', secondOrder.child],
    ['payment', platform.service('payment')],
    ['inventory', platform.service('inventory')],
    ['notification', platform.service('notification')],
  ];
  try {
    for (const [name, child] of rolled) {
      const before = accepted.length;
      await eventually(() => expect(accepted.length).toBeGreaterThan(before + 30), PATIENT);
      const from = givenBack.length;
      const started = performance.now();
      const code = await child.stop('SIGTERM');
      const ms = performance.now() - started;
      expect({ name, code }).toEqual({ name, code: 0 });
      expect(ms).toBeLessThan(10_000);
      await child.start();
      await eventually(() => expect(balancer.ready).toBe(2), PATIENT);
      // What it had in hand and had not begun, once each: nothing is handed to and fro.
      const back = givenBack.slice(from).map(({ durable, sequence }) => `${durable} ${sequence}`);
      expect(back).toEqual([...new Set(back)]);
    }
  } finally {
    end.abort();
    await Promise.all(customers);
  }

  expect(failures).toEqual([]);
  expect(accepted.length).toBeGreaterThan(150);
  await platform.holds({ accepted });
  for (const { service, event, durable, source } of durables) {
    const [said] = await platform.sql<{ n: number }>(
      source as typeof service,
      'SELECT count(*)::int AS n FROM messaging.outbox WHERE subject LIKE $1',
      [`${event}.%`],
    );
    const again = (await platform.broker.deliveries(durable)) - said!.n;
    const back = givenBack.filter((message) => message.durable === durable).length;
    expect({ durable, again }).toEqual({ durable, again: back });
  }
});

it('a second signal ends a service at once', async () => {
  await platform.providerFaults({ hang: true });
  const { id } = await platform.place();
  await eventually(async () => {
    const held = (await (await fetch(`${platform.local.addresses.provider}/faults`)).json()) as { held: number };
    expect(held.held).toBe(1);
  });
  const payment = platform.service('payment');
  const ended = payment.stop('SIGTERM');
  await eventually(async () => {
    const ready = await fetch(`${platform.local.addresses.http.payment}/health/ready`);
    expect(ready.status).toBe(503);
  });
  payment.signal('SIGTERM');
  expect(await ended).toBe(143);
  await platform.providerFaults({});
  await payment.start();
  expect(await platform.ended(id, ['notifications.sent'], 20_000)).toMatchObject({ status: 'confirmed' });
  await platform.holds();
});
