import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { eventually } from '@pavane/testing';
import { IsInt, IsString } from 'class-validator';
import { setTimeout as pause } from 'node:timers/promises';
import { DEAD_LETTER } from '../failures/dead-letter.js';
import { RetryLater, Unprocessable } from '../errors.js';
import { JetStreamEvent } from '../nest/jetstream-event.decorator.js';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, gate, type Handler, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED));
});
afterEach(() => broker[Symbol.asyncDispose]());

const serve = (handle: Handler, options = {}) => Service.start(broker.server.url, [on(CREATED, handle)], options);

const settled = () => broker.settled(CREATED.durable);

/** Healthy events that keep coming until they are stopped. */
function neighbours() {
  const ending = new AbortController();
  const coming = (async () => {
    for (let n = 0; !ending.signal.aborted; n++) {
      await broker.publish(`orders.created.healthy-${n}`);
      await pause(10);
    }
  })();
  return {
    stop: () => {
      ending.abort();
      return coming;
    },
  };
}

describe('a handler that resolves', () => {
  it('has its message acked, and not before', async () => {
    const work = gate();
    await using _service = await serve(() => work.opened);
    await broker.publish('orders.created.o1');
    await eventually(async () => expect((await broker.consumer(CREATED.durable)).num_ack_pending).toBe(1));
    work.open();
    await settled();
    expect(await broker.deadLetters()).toEqual([]);
  });
});

describe('a handler that throws', () => {
  it('gets the message again after growing pauses, and it becomes a dead letter when those beside it are handled', async () => {
    const times: number[] = [];
    await using _service = await serve(
      async (_, { event }) => {
        if (event.subject !== 'poison') return;
        times.push(performance.now());
        throw new TypeError('no such sku');
      },
      { backoff: { failed: { firstMs: 50, maxMs: 1_000 } } },
    );
    const beside = neighbours();
    const id = await broker.publish(
      'orders.created.poison',
      { sku: 'x' },
      { traceparent: '00-a-b-01', 'Nats-Expected-Stream': 'SAGA' },
    );
    await eventually(async () => expect(await broker.deadLetters()).toHaveLength(1));
    await beside.stop();
    await settled();
    const pauses = times.slice(1).map((time, index) => time - times[index]!);
    for (const [index, length] of pauses.entries()) expect(length).toBeGreaterThan(25 * 2 ** index - 5);
    const [letter, ...others] = await broker.deadLetters();
    expect(others).toEqual([]);
    expect(letter).toMatchObject({
      subject: `dlq.${CREATED.durable}.orders.created.poison`,
      data: '{"sku":"x"}',
      headers: {
        'ce-id': id,
        traceparent: '00-a-b-01',
        'Nats-Msg-Id': `${id}:${CREATED.durable}`,
        [DEAD_LETTER.reason]: 'no such sku',
        [DEAD_LETTER.code]: 'TypeError',
        [DEAD_LETTER.attempts]: String(times.length),
        [DEAD_LETTER.durable]: CREATED.durable,
        [DEAD_LETTER.stream]: 'SAGA',
      },
    });
    expect(times.length).toBeGreaterThanOrEqual(5);
    expect(letter!.headers[DEAD_LETTER.stack]).toMatch(/^TypeError: no such sku\\n/);
    expect(Date.parse(letter!.headers[DEAD_LETTER.failedAt]!)).not.toBeNaN();
    expect(Object.keys(letter!.headers).filter((name) => /^parked-|Nats-(Expected|Sched)/.test(name))).toEqual([]);
  });

  it('decides for itself how often and with which pauses it is tried', async () => {
    let attempts = 0;
    await using _service = await Service.start(broker.server.url, [
      on(
        CREATED,
        (_, { event }) => {
          if (event.subject !== 'poison') return;
          attempts++;
          throw new Error('no');
        },
        { attempts: 1, backoff: { firstMs: 5, maxMs: 5 } },
      ),
    ]);
    await broker.publish('orders.created.first');
    await eventually(async () => expect(await broker.stored()).toBe(0));
    await broker.publish('orders.created.poison');
    await settled();
    expect(attempts).toBe(1);
    expect(await broker.deadLetters()).toHaveLength(1);
  });

  it('keeps its message while dead letters cannot be stored, which health says', async () => {
    const { jetstreamManager } = await import('@nats-io/jetstream');
    const jsm = await jetstreamManager(broker.nc);
    await jsm.streams.delete('DLQ');
    let attempts = 0;
    await using service = await serve(() => {
      attempts++;
      throw new Unprocessable('bad');
    });
    await broker.publish('orders.created.o1');
    await eventually(() => expect(attempts).toBeGreaterThan(2));
    await eventually(async () => expect(await broker.stored()).toBe(1));
    await eventually(() =>
      expect(service.health.check()).toMatchObject({
        ok: true,
        findings: [expect.stringMatching(/^Stream 'DLQ' does not exist: dead letters cannot be stored/)],
      }),
    );
    await broker.provision(durablesOf(CREATED));
    await settled();
    expect(await broker.deadLetters()).toHaveLength(1);
  });
});

describe('a handler that throws Unprocessable', () => {
  it('has its message made a dead letter at once', async () => {
    let attempts = 0;
    await using _service = await serve(() => {
      attempts++;
      throw new Unprocessable('the order has no lines');
    });
    await broker.publish('orders.created.o1');
    await settled();
    expect(attempts).toBe(1);
    expect(
      (await broker.deadLetters()).map(({ headers }) => [headers[DEAD_LETTER.reason], headers[DEAD_LETTER.code]]),
    ).toEqual([['the order has no lines', 'UNPROCESSABLE']]);
  });
});

describe('a handler whose error says, by the options, that the message is to blame', () => {
  it('has its message made a dead letter at once', async () => {
    await using _service = await serve(
      () => {
        throw Object.assign(new Error('invalid input syntax for type uuid'), { code: '22P02' });
      },
      { isImpossible: (error: unknown) => (error as { code?: string }).code === '22P02' },
    );
    await broker.publish('orders.created.o1');
    await settled();
    expect((await broker.deadLetters())[0]!.headers).toMatchObject({
      [DEAD_LETTER.code]: 'UNPROCESSABLE',
      [DEAD_LETTER.reason]: 'invalid input syntax for type uuid',
      [DEAD_LETTER.attempts]: '1',
    });
  });
});

describe('a handler that throws RetryLater', () => {
  it('gets the message again as often as it takes, and never makes a dead letter of it', async () => {
    let attempts = 0;
    await using _service = await serve(
      () => {
        if (++attempts <= 12) throw new RetryLater('the provider is down');
      },
      { backoff: { away: { firstMs: 10, maxMs: 20 } } },
    );
    await broker.publish('orders.created.o1');
    await settled();
    expect(attempts).toBe(13);
    expect(await broker.deadLetters()).toEqual([]);
  });

  it('is what one throws whose error means, by the options, that a dependency is away', async () => {
    let attempts = 0;
    await using _service = await serve(
      () => {
        if (++attempts <= 12) throw Object.assign(new Error('nobody listens'), { code: 'ECONNREFUSED' });
      },
      {
        backoff: { away: { firstMs: 10, maxMs: 20 } },
        isAway: (error: unknown) => (error as { code?: string }).code === 'ECONNREFUSED',
      },
    );
    await broker.publish('orders.created.o1');
    await settled();
    expect(attempts).toBe(13);
    expect(await broker.deadLetters()).toEqual([]);
  });
});

describe('a handler that is still running', () => {
  it('keeps its message, and those received behind it, beyond ack_wait', async () => {
    await broker.provision(durablesOf(CREATED), { ack_wait: 600e6 });
    const starts: number[] = [];
    await using _service = await Service.start(broker.server.url, [
      on(
        CREATED,
        async (_, context) => {
          starts.push(context.getMessage().seq);
          expect(context.deliveryCount).toBe(1);
          await pause(900);
        },
        { concurrency: 1 },
      ),
    ]);
    await broker.publish('orders.created.o1');
    await broker.publish('orders.created.o2');
    await settled();
    expect(starts).toEqual([1, 2]);
    expect(await broker.deadLetters()).toEqual([]);
  });
});

describe('a message that is not a valid event', () => {
  it.each([
    ['id', { 'ce-id': 'not-a-uuid' }, /ce-id is 'not-a-uuid' but must be a UUID of version 7/],
    ['type', { 'ce-type': 'orders.created.v0' }, /ce-type is 'orders.created.v0' but must be 'orders.created.v1'/],
    ['key', { 'ce-subject': 'o2' }, /ce-subject is 'o2' but must be 'o1', the last token of the subject/],
    ['time', { 'ce-time': 'yesterday' }, /ce-time is 'yesterday' but must be a time as in RFC 3339/],
  ])('is a dead letter that names its %s', async (_what, headers, reason) => {
    let handled = 0;
    await using _service = await Service.start(broker.server.url, [
      on({ ...CREATED, type: 'orders.created.v1' }, () => handled++),
    ]);
    await broker.publish('orders.created.o1', {}, headers);
    await settled();
    expect(handled).toBe(0);
    const [letter] = await broker.deadLetters();
    expect(letter!.headers[DEAD_LETTER.reason]).toMatch(reason);
  });

  it('is a dead letter under the id of its place in the stream when it has no headers at all', async () => {
    await using _service = await serve(() => undefined);
    broker.nc.publish('orders.created.o1', Uint8Array.of(0xff, 0x00, 0x7f));
    await eventually(async () => expect(await broker.deadLetters()).toHaveLength(1));
    await settled();
    const [letter] = await broker.deadLetters();
    expect(letter!.headers['Nats-Msg-Id']).toBe(`SAGA:${CREATED.durable}:1`);
  });
});

describe('a payload that breaks the rules of its class', () => {
  class OrderCreated {
    @IsString() sku!: string;
    @IsInt() quantity!: number;
  }

  it('is a dead letter that names each bad field', async () => {
    @Controller()
    class Events {
      @JetStreamEvent(CREATED)
      heard(@Payload() _data: OrderCreated): void {}
    }
    await using _service = await Service.start(broker.server.url, [Events]);
    await broker.publish('orders.created.o1', { quantity: 'two', colour: 'red' });
    await settled();
    const [letter] = await broker.deadLetters();
    expect(letter!.headers[DEAD_LETTER.code]).toBe('UNPROCESSABLE');
    expect(letter!.headers[DEAD_LETTER.reason]).toMatch(/colour is not a known field; sku: .*; quantity: /);
  });
});
