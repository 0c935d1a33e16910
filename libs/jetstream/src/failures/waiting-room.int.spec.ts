import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { eventually } from '@pavane/testing';
import { RetryLater } from '../errors.js';
import { Broker } from '../testing/broker.js';
import { CANCELLED, CREATED, durablesOf, type Handler, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
});
afterEach(() => broker[Symbol.asyncDispose]());

const serve = (handle: Handler, options = {}) => Service.start(broker.server.url, [on(CREATED, handle)], options);
const drained = () => eventually(async () => expect(await broker.stored()).toBe(0), { withinMs: 20_000 });

describe('messages that wait', () => {
  it('take the place of nobody: more than fit into the window hold up no other', async () => {
    await broker.provision(durablesOf(CREATED), { max_ack_pending: 50 });
    const handled: string[] = [];
    await using _service = await Service.start(
      broker.server.url,
      [on({ ...CREATED, type: 'orders.created.v1' }, (_, { event }) => handled.push(event.subject))],
      { backoff: { failed: { firstMs: 60_000, maxMs: 60_000 } } },
    );
    for (let n = 0; n < 120; n++)
      await broker.publish(`orders.created.newer-${n}`, {}, { 'ce-type': 'orders.created.v2' });
    for (let n = 0; n < 20; n++) await broker.publish(`orders.created.o${n}`);
    await eventually(() => expect(handled).toHaveLength(20));
    await eventually(async () => expect(await broker.held('PARKED')).toBe(120));
    expect(await broker.held('SAGA')).toBe(0);
    expect(await broker.consumer(CREATED.durable)).toMatchObject({ num_pending: 0, num_ack_pending: 0 });
  });

  it('slow down nobody: a message whose own dependency is away waits alone', async () => {
    await broker.provision(durablesOf(CREATED));
    let own = false;
    const handled: string[] = [];
    const tries: string[] = [];
    await using service = await serve(
      (_, { event }) => {
        if (event.subject.startsWith('own') && !own) {
          tries.push(event.subject);
          throw new RetryLater('the shop of this order is away');
        }
        handled.push(event.subject);
      },
      { backoff: { away: { firstMs: 200, maxMs: 400 } } },
    );
    for (let n = 0; n < 300; n++) await broker.publish(`orders.created.${n % 10 === 0 ? `own-${n}` : `o${n}`}`);
    await eventually(() => expect(handled).toHaveLength(270));
    expect(service.health.check().findings).toEqual([]);
    expect(tries.length).toBeGreaterThanOrEqual(30);
    own = true;
    await drained();
    expect(handled).toHaveLength(300);
    expect(await broker.deadLetters()).toEqual([]);
  });

  it('come back as they were, to their own durable and to no other', async () => {
    await broker.provision(durablesOf(CREATED, CANCELLED, { ...CREATED, durable: 'notification_orders-created' }));
    const seen: unknown[] = [];
    let others = 0;
    await using _service = await Service.start(broker.server.url, [
      on(CREATED, (data, { event, deliveryCount }) => {
        seen.push({ data, event, deliveryCount });
        if (deliveryCount < 3) throw new RetryLater('not yet');
      }),
      on({ ...CREATED, durable: 'notification_orders-created' }, () => others++),
    ]);
    const id = await broker.publish('orders.created.o1', { n: 7 }, { traceparent: '00-a-b-01' });
    await drained();
    const event = expect.objectContaining({ id, subject: 'o1', traceparent: '00-a-b-01' });
    expect(seen).toEqual([1, 2, 3].map((deliveryCount) => ({ data: { n: 7 }, event, deliveryCount })));
    expect(others).toBe(1);
  });

  it('go on waiting while no instance runs, and come back to the next one', async () => {
    await broker.provision(durablesOf(CREATED));
    let ready = false;
    const handled: string[] = [];
    const handle: Handler = (_, { event }) => {
      if (!ready) throw new RetryLater('not yet');
      handled.push(event.subject);
    };
    {
      await using _first = await serve(handle, { backoff: { away: { firstMs: 300, maxMs: 300 } } });
      await broker.publish('orders.created.o1');
      await eventually(async () => expect(await broker.held('PARKED')).toBe(1));
    }
    ready = true;
    await using _second = await serve(handle);
    await drained();
    expect(handled).toEqual(['o1']);
  });
});

describe('what follows of the same key', () => {
  it.each([
    ['in the same process', 1],
    ['in several instances', 2],
  ])('waits behind on that durable, and other keys do not: %s', async (_where, instances) => {
    await broker.provision(durablesOf(CREATED));
    let open = false;
    const handled: string[] = [];
    const handle: Handler = (data, { event }) => {
      if (event.subject === 'waits' && !open) throw new RetryLater('its own dependency is away');
      handled.push(`${event.subject} ${data['n']}`);
    };
    const options = { backoff: { away: { firstMs: 100, maxMs: 200 } } };
    await using stack = new AsyncDisposableStack();
    for (let n = 0; n < instances; n++) stack.use(await serve(handle, options));
    await broker.publish('orders.created.waits', { n: 0 });
    await eventually(async () => expect(await broker.held('PARKED')).toBe(1));
    for (let n = 1; n < 5; n++) {
      await broker.publish('orders.created.waits', { n });
      await broker.publish(`orders.created.other-${n}`, { n });
    }
    await eventually(() => expect(handled.toSorted()).toEqual([1, 2, 3, 4].map((n) => `other-${n} ${n}`)));
    await eventually(async () => expect(await broker.held('PARKED')).toBe(5));
    open = true;
    await drained();
    const own = handled.filter((one) => one.startsWith('waits'));
    expect(own[0]).toBe('waits 0');
    expect(own.toSorted()).toEqual([0, 1, 2, 3, 4].map((n) => `waits ${n}`));
  });

  it('does not fill the window when there is much of it', async () => {
    await broker.provision(durablesOf(CREATED), { max_ack_pending: 60 });
    let open: () => void;
    const opened = new Promise<void>((resolve) => (open = resolve));
    const others: string[] = [];
    await using _service = await Service.start(broker.server.url, [
      on(
        CREATED,
        async (_, { event }) => {
          if (event.subject === 'hot') await opened;
          else others.push(event.subject);
        },
        { concurrency: 4 },
      ),
    ]);
    for (let n = 0; n < 150; n++) await broker.publish('orders.created.hot');
    for (let n = 0; n < 10; n++) await broker.publish(`orders.created.o${n}`);
    await eventually(() => expect(others).toHaveLength(10));
    open!();
    await drained();
  });
});

describe('without room', () => {
  it.each([
    ['is full', { max_msgs: 10 }],
    ['is gone', undefined],
  ])('a message waits in its own stream: the waiting room %s', async (_what, limits) => {
    await broker.provision(durablesOf(CREATED));
    const jsm = await jetstreamManager(broker.nc);
    let open = false;
    const handled: string[] = [];
    await using _service = await serve(
      (_, { event }) => {
        if (event.subject.startsWith('late') && !open) throw new RetryLater('away');
        handled.push(event.subject);
      },
      { backoff: { away: { firstMs: 100, maxMs: 200 } } },
    );
    await broker.publish('orders.created.first');
    await eventually(() => expect(handled).toEqual(['first']));
    if (limits) {
      await jsm.streams.update('PARKED', limits);
      // Of no durable, so that they stay.
      for (let n = 0; n < 8; n++) await jetstream(broker.nc).publish(`parked.wait.SAGA.other.o1.${n}`);
    }
    if (!limits) await jsm.streams.delete('PARKED');
    for (let n = 0; n < 5; n++) {
      await broker.publish(`orders.created.late-${n}`);
      await broker.publish(`orders.created.o${n}`);
    }
    await eventually(() => expect(handled).toHaveLength(6));
    open = true;
    await eventually(() => expect(handled).toHaveLength(11));
    await eventually(async () => expect(await broker.held('SAGA')).toBe(0));
    expect(await broker.deadLetters()).toEqual([]);
  });
});
