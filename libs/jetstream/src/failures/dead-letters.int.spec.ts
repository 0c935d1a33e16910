import { eventually } from '@pavane/testing';
import { DEAD_LETTER, replayOf } from './dead-letter.js';
import { toMsgHdrs } from '../publish/envelope.js';
import { Unprocessable } from '../errors.js';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, type Handler, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED));
});
afterEach(() => broker[Symbol.asyncDispose]());

const serve = (handle: Handler, options = {}) => Service.start(broker.server.url, [on(CREATED, handle)], options);
const settled = () => broker.settled(CREATED.durable);

describe('a message that leaves no room for a reason beside it', () => {
  it.each([
    ['bytes', Buffer.alloc(2 ** 20 - 100, 'x'), {}],
    ['headers', Buffer.from('xyz'), { foreign: 'x'.repeat(2 ** 16 - 100) }],
  ])('is a dead letter with the beginning of it, when its %s take all there is', async (_what, body, foreign) => {
    await using _service = await serve(() => undefined);
    const headers = toMsgHdrs(foreign);
    broker.nc.publish('orders.created.o1', body, { headers });
    await eventually(async () => expect(await broker.deadLetters()).toHaveLength(1));
    await settled();
    const [letter] = await broker.deadLetters();
    expect(letter!.headers).toMatchObject({
      [DEAD_LETTER.reason]: expect.stringMatching(/ce-specversion is missing/),
      [DEAD_LETTER.truncated]: String(body.length),
    });
    expect(letter!.data).toBe(body.subarray(0, 65_536).toString());
  });
});

describe('a dead letter that is replayed', () => {
  it('reaches the durable that failed and is skipped by the others', async () => {
    const OTHER = { ...CREATED, durable: 'notification_orders-created' };
    await broker.provision(durablesOf(CREATED, OTHER));
    let broken = true;
    const handled: string[] = [];
    await using _service = await Service.start(broker.server.url, [
      on(CREATED, () => {
        if (broken) throw new Unprocessable('bug');
        handled.push('failed one');
      }),
      on(OTHER, () => handled.push('other one')),
    ]);
    const id = await broker.publish('orders.created.o1', { sku: 'a' });
    await settled();
    const [letter] = await broker.deadLetters();
    broken = false;
    const replay = replayOf(letter!, letter!.seq);
    expect(replay).toMatchObject({ subject: 'orders.created.o1', headers: { 'ce-id': id } });
    await _service.publisher.publish(replay);
    await eventually(() => expect(handled).toEqual(['other one', 'failed one']));
    await settled();
    expect(handled).toEqual(['other one', 'failed one']);
  });
});

describe('what a handler throws', () => {
  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  it.each([
    ['nothing', undefined, /undefined/],
    ['null', null, /null/],
    ['a string', 'no such sku', /no such sku/],
    ['a number', 42, /42/],
    ['a BigInt', 42n, /42n/],
    ['an object that refers to itself', circular, /Circular/],
    ['an object whose message is an object', { message: { a: 1n } }, /a: 1n/],
    [
      'an object that cannot be read',
      Object.defineProperty({}, 'message', {
        get: () => {
          throw new Error('no');
        },
        enumerable: true,
      }),
      /message/,
    ],
    ['an error without a text', Object.assign(new Error('x'), { message: undefined, stack: 7 }), /./],
  ])('has its message given up whatever it throws: %s', async (_what, thrown, reason) => {
    await using _service = await Service.start(broker.server.url, [
      on(
        CREATED,
        async (_, { event }) => {
          // oxlint-disable-next-line typescript/only-throw-error -- that is what is tested
          if (event.subject === 'poison') throw thrown;
        },
        { attempts: 1 },
      ),
    ]);
    await broker.publish('orders.created.first');
    await eventually(async () => expect(await broker.stored()).toBe(0));
    await broker.publish('orders.created.poison');
    await settled();
    const [letter] = await broker.deadLetters();
    expect(letter!.headers[DEAD_LETTER.reason]).toMatch(reason);
  });
});
