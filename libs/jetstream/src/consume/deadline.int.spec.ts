import { eventually } from '@pavane/testing';
import { firstValueFrom } from 'rxjs';
import { Controller } from '@nestjs/common';
import { MessagePattern } from '@nestjs/microservices';
import { DEAD_LETTER } from '../failures/dead-letter.js';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, gate, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED));
});
afterEach(() => broker[Symbol.asyncDispose]());

describe('a handler that does not end', () => {
  it('is given up at its deadline and told so, its message is tried again, and health names it until it ends', async () => {
    const hanging = gate();
    const reasons: unknown[] = [];
    let starts = 0;
    await using service = await Service.start(broker.server.url, [
      on(
        CREATED,
        async (_, { signal }) => {
          if (++starts > 1) return;
          signal.addEventListener('abort', () => reasons.push(signal.reason));
          await hanging.opened;
        },
        { deadlineMs: 300 },
      ),
    ]);
    await broker.publish('orders.created.o1');
    await eventually(async () => expect(await broker.stored()).toBe(0));
    expect(starts).toBe(2);
    expect(reasons).toEqual([expect.objectContaining({ code: 'HANDLER_TIMEOUT' })]);
    expect(service.health.check().findings).toEqual([
      expect.stringMatching(
        /^A handler of 'payment_orders-created' runs on after the deadline, since \d+ s \(key 'o1'\)/,
      ),
    ]);
    hanging.open();
    await eventually(() => expect(service.health.check().findings).toEqual([]));
  });

  it('frees its slot, so that others are handled, and its message is buried like any other that fails', async () => {
    const handled: string[] = [];
    await using _service = await Service.start(broker.server.url, [
      on(
        CREATED,
        async (_, { event, signal }) => {
          if (event.subject === 'hangs')
            await new Promise((_resolve, reject) => signal.addEventListener('abort', reject));
          handled.push(event.subject);
        },
        { deadlineMs: 50, concurrency: 1, attempts: 2, backoff: { firstMs: 10, maxMs: 20 } },
      ),
    ]);
    await broker.publish('orders.created.first');
    await broker.publish('orders.created.hangs');
    await eventually(async () => {
      await broker.publish(`orders.created.o${handled.length}`);
      expect(await broker.deadLetters()).toHaveLength(1);
    });
    const [letter] = await broker.deadLetters();
    expect(letter!.headers[DEAD_LETTER.code]).toBe('HANDLER_TIMEOUT');
    expect(handled).not.toContain('hangs');
  });

  it('does not keep a durable that rests from finding out that all is well again', async () => {
    let broken = true;
    const handled: string[] = [];
    await using service = await Service.start(
      broker.server.url,
      [
        on(
          CREATED,
          async (_, { event }) => {
            if (!broken) return handled.push(event.subject);
            if (event.subject.startsWith('hangs')) await new Promise(() => undefined);
            throw new Error('the database is half ill');
          },
          { concurrency: 2 },
        ),
      ],
      { closeWithinMs: 100 },
    );
    await broker.publish('orders.created.hangs');
    for (let n = 0; n < 12; n++) await broker.publish(`orders.created.o${n}`);
    await eventually(() => expect(service.health.check().findings).toHaveLength(1));
    await broker.publish('orders.created.hangs-too');
    broken = false;
    await eventually(() => expect(handled.length).toBeGreaterThanOrEqual(12), { withinMs: 20_000 });
    expect(service.health.check().findings).toEqual([]);
  }, 40_000);

  it('does not keep the server from closing', async () => {
    const service = await Service.start(broker.server.url, [on(CREATED, () => new Promise(() => undefined))], {
      closeWithinMs: 200,
    });
    await broker.publish('orders.created.o1');
    await eventually(async () => expect((await broker.consumer(CREATED.durable)).num_ack_pending).toBe(1));
    await service[Symbol.asyncDispose]();
    // Whoever comes next has it again.
    expect(await broker.stored()).toBe(1);
  }, 15_000);
});

describe('requests', () => {
  it('are bounded in number: more wait, and beyond that they are refused at once', async () => {
    const work = gate();
    let running = 0;
    let most = 0;
    @Controller()
    class Answers {
      @MessagePattern('stock.get')
      async get() {
        most = Math.max(most, ++running);
        await work.opened;
        running--;
        return 'here';
      }
    }
    await using service = await Service.start(broker.server.url, [Answers], { requestConcurrency: 2 });
    await service.connection.ready();
    const answers = Array.from({ length: 40 }, () =>
      firstValueFrom(service.client.send<string>('stock.get', {})).then(
        (answer) => answer,
        (error: { message: string }) => error.message,
      ),
    );
    await eventually(() => expect(most).toBe(2));
    work.open();
    const all = await Promise.all(answers);
    expect(most).toBe(2);
    expect(all.filter((answer) => answer === 'here').length).toBeGreaterThanOrEqual(20);
    expect(all.filter((answer) => /Too many requests/.test(answer)).length).toBeGreaterThan(0);
  });
});
