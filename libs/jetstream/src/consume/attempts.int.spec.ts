import { eventually } from '@pavane/testing';
import { setTimeout as pause } from 'node:timers/promises';
import { DEAD_LETTER } from '../failures/dead-letter.js';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, type Handler, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED));
});
afterEach(() => broker[Symbol.asyncDispose]());

const options = { backoff: { failed: { firstMs: 50, maxMs: 100 }, away: { firstMs: 50, maxMs: 200 } } };

/** Publishes healthy events until the condition holds. */
async function keepComing(until: () => Promise<boolean>): Promise<void> {
  for (let n = 0; !(await until()); n++) {
    await broker.publish(`orders.created.healthy-${n}`);
    await pause(5);
  }
}
const isBuried = async () => (await broker.deadLetters()).length > 0;

describe('attempts at a message', () => {
  it('are counted once for all instances, and the dead letter tells how many there were', async () => {
    let starts = 0;
    const handle: Handler = (_, { event }) => {
      if (event.subject !== 'poison') return;
      starts++;
      throw new Error('bug');
    };
    await using stack = new AsyncDisposableStack();
    for (let n = 0; n < 6; n++) stack.use(await Service.start(broker.server.url, [on(CREATED, handle)], options));
    // Each instance has seen that it works.
    await keepComing(async () => (await broker.held('SAGA')) === 0);
    await broker.publish('orders.created.poison');
    await keepComing(isBuried);
    await eventually(async () => expect(await broker.stored()).toBe(0));
    // Five that count; at each instance one may come before anything has succeeded there.
    expect(starts).toBeGreaterThanOrEqual(5);
    expect(starts).toBeLessThanOrEqual(5 + 6);
    const letters = await broker.deadLetters();
    expect(letters.map(({ headers }) => headers[DEAD_LETTER.attempts])).toEqual([String(starts)]);
  });

  it('that fail on one instance only bury nobody', async () => {
    const handled = new Set<string>();
    await using _ill = await Service.start(
      broker.server.url,
      [
        on(CREATED, () => {
          throw new Error('password authentication failed');
        }),
      ],
      options,
    );
    await using _well = await Service.start(
      broker.server.url,
      [on(CREATED, (_, { event }) => handled.add(event.subject))],
      options,
    );
    const all = Array.from({ length: 200 }, (_, n) => `o${n}`);
    for (const order of all) await broker.publish(`orders.created.${order}`);
    await eventually(async () => expect(await broker.stored()).toBe(0), { withinMs: 20_000 });
    expect([...handled].toSorted()).toEqual(all.toSorted());
    expect(await broker.deadLetters()).toEqual([]);
  });

  it('at one of many poisoned ones keep nobody waiting, and each is buried', async () => {
    const handled = new Set<string>();
    await using _service = await Service.start(
      broker.server.url,
      [
        on(CREATED, (_, { event }) => {
          if (event.subject.startsWith('poison')) throw new Error('bug');
          handled.add(event.subject);
        }),
      ],
      { ...options, backoff: { ...options.backoff, failed: { firstMs: 50, maxMs: 2_000 } } },
    );
    for (let n = 0; n < 20; n++) await broker.publish(`orders.created.poison-${n}`);
    await keepComing(async () => (await broker.deadLetters()).length === 20);
    await eventually(async () => expect(await broker.stored()).toBe(0));
    expect((await broker.deadLetters()).every(({ subject }) => subject.includes('poison'))).toBe(true);
    expect(handled.size).toBeGreaterThan(0);
  });

  it('alone are given up after a stated time', async () => {
    await using _service = await Service.start(
      broker.server.url,
      [
        on(CREATED, () => {
          throw new Error('bug');
        }),
      ],
      { ...options, giveUpAloneMs: 500 },
    );
    await broker.publish('orders.created.o1');
    await eventually(async () => expect(await broker.stored()).toBe(0));
    const [letter] = await broker.deadLetters();
    expect(letter!.headers[DEAD_LETTER.reason]).toBe(
      'bug (given up: nothing else came that could have shown whose fault it is)',
    );
  });
});
