import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { eventually } from '@pavane/testing';
import { firstValueFrom, from, lastValueFrom, toArray, type Observable } from 'rxjs';
import { RequestContext } from '../nest/jetstream.context.js';
import { JetStreamRecord } from '../publish/jetstream.record.js';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, gate, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';
import { uuidv7 } from '../publish/uuid.js';

let answered: string[] = [];
let work = gate();

@Controller()
class Stock {
  @MessagePattern('stock.get.*')
  get(@Payload() data: { sku: string }, @Ctx() context: RequestContext) {
    answered.push(context.getSubject());
    return { sku: data.sku, available: 3 };
  }

  @MessagePattern('stock.list')
  list(): Observable<number> {
    return from([1, 2, 3]);
  }

  @MessagePattern('stock.refuse')
  refuse(): never {
    throw new RpcException({ code: 'NO_SUCH_SKU', message: 'no such sku' });
  }

  @MessagePattern('stock.crash')
  crash(): never {
    throw new TypeError('secret detail');
  }

  @MessagePattern('stock.huge')
  huge(): string {
    return 'x'.repeat(2 ** 21);
  }

  @MessagePattern('stock.endless')
  endless(): unknown {
    return { n: 1n };
  }

  @MessagePattern('stock.slow')
  async slow(): Promise<string> {
    answered.push('slow');
    await work.opened;
    return 'done';
  }
}

let broker: Broker;
beforeAll(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED));
});
afterAll(() => broker[Symbol.asyncDispose]());
beforeEach(() => {
  answered = [];
  work = gate();
});

/** Resolves when the request subscriptions of the service are in place. */
const serving = (service: Service) =>
  eventually(() => firstValueFrom(service.client.send('stock.get.ping', { sku: 'x' })), { withinMs: 5_000 });

describe('request and reply', () => {
  it('is answered by one instance of the service, and patterns may have wildcards', async () => {
    await using one = await Service.start(broker.server.url, [Stock]);
    await using two = await Service.start(broker.server.url, [Stock]);
    await serving(one);
    await serving(two);
    answered = [];
    for (let n = 0; n < 10; n++) {
      expect(await firstValueFrom(one.client.send(`stock.get.s${n}`, { sku: 'a' }))).toEqual({
        sku: 'a',
        available: 3,
      });
    }
    expect(answered).toHaveLength(10);
  });

  it('carries a stream of replies and completes with it', async () => {
    await using service = await Service.start(broker.server.url, [Stock]);
    await serving(service);
    expect(await lastValueFrom(service.client.send('stock.list', {}).pipe(toArray()))).toEqual([1, 2, 3]);
  });

  it('carries errors as Nest does: an RpcException as it is, anything else without its details', async () => {
    await using service = await Service.start(broker.server.url, [Stock]);
    await serving(service);
    await expect(firstValueFrom(service.client.send('stock.refuse', {}))).rejects.toEqual({
      code: 'NO_SUCH_SKU',
      message: 'no such sku',
    });
    await expect(firstValueFrom(service.client.send('stock.crash', {}))).rejects.toEqual({
      status: 'error',
      message: 'Internal server error',
    });
  });

  it('fails when the reply is larger than the broker takes, or nothing that JSON can say', async () => {
    await using service = await Service.start(broker.server.url, [Stock]);
    await serving(service);
    for (const pattern of ['stock.huge', 'stock.endless'])
      await expect(firstValueFrom(service.client.send(pattern, {}))).rejects.toEqual({
        status: 'error',
        message: 'Internal server error',
      });
    expect(await firstValueFrom(service.client.send('stock.get.a', { sku: 'a' }))).toMatchObject({ sku: 'a' });
  });

  it('fails at once when the request itself cannot be sent, and nothing of it is left', async () => {
    await using service = await Service.start(broker.server.url, [Stock]);
    await serving(service);
    await expect(firstValueFrom(service.client.send('stock.list', 'x'.repeat(2 ** 21)))).rejects.toThrow(/max_payload/);
    expect(service.connection.replies.outstanding).toBe(0);
  });

  it('fails with RetryLater at once when nobody answers, and while the broker was never reached', async () => {
    await using service = await Service.start(broker.server.url, []);
    await service.connection.ready();
    await expect(firstValueFrom(service.client.send('nobody.there', {}))).rejects.toMatchObject({
      code: 'RETRY_LATER',
      message: "Nobody answers 'nobody.there'. Start the service that has its handler.",
    });
    await using offline = await Service.start('nats://127.0.0.1:1', []);
    await expect(firstValueFrom(offline.client.send('stock.list', {}))).rejects.toMatchObject({ code: 'RETRY_LATER' });
  });

  it('keeps nothing of a request whose caller has stopped waiting, and one subscription for all of them', async () => {
    await using service = await Service.start(broker.server.url, [Stock]);
    await serving(service);
    const { protocol } = service.connection.nc as unknown as { protocol: { subscriptions: { size(): number } } };
    const { replies } = service.connection;
    const before = protocol.subscriptions.size();
    const waiting = [1, 2].map(() => service.client.send('stock.slow', {}).subscribe());
    await eventually(() => expect(answered.filter((name) => name === 'slow')).toHaveLength(2));
    expect(replies.outstanding).toBe(2);
    expect(protocol.subscriptions.size()).toBe(before);
    for (const one of waiting) one.unsubscribe();
    expect(replies.outstanding).toBe(0);
    work.open();
  });

  it('is finished, not cut off, when the service stops, and new requests go elsewhere', async () => {
    await using one = await Service.start(broker.server.url, [Stock]);
    await serving(one);
    const reply = firstValueFrom(one.client.send('stock.slow', {}));
    await eventually(() => expect(answered).toContain('slow'));
    await one.server.stopIntake();
    await expect(firstValueFrom(one.client.send('stock.list', {}))).rejects.toMatchObject({ code: 'RETRY_LATER' });
    const closing = one.server.close();
    work.open();
    await closing;
    expect(await reply).toBe('done');
  });
});

describe('emit', () => {
  it('completes with the PubAck, makes a valid event, and sends what a dispatch hook adds', async () => {
    const events: { data: unknown; event: unknown; hook: string }[] = [];
    await using service = await Service.start(broker.server.url, [
      on(CREATED, (data, context) => {
        events.push({ data, event: context.event, hook: context.getMessage().headers!.get('x-tenant') });
      }),
    ]);
    await service.connection.ready();
    service.client.setOnDispatchHook((packet) => (packet.metadata = { 'x-tenant': 'acme' }));
    const id = uuidv7();
    const record = new JetStreamRecord({ sku: 'a' }, { id, type: 'orders.created.v1' });
    const first = await lastValueFrom(service.client.emit('orders.created.o1', record));
    expect(first).toMatchObject({ duplicate: false });
    expect(await lastValueFrom(service.client.emit('orders.created.o1', record))).toMatchObject({ duplicate: true });
    await lastValueFrom(service.client.emit('orders.created.o2', { sku: 'b' }));
    await eventually(() => expect(events).toHaveLength(2));
    expect(events[0]).toMatchObject({
      data: { sku: 'a' },
      event: { id, type: 'orders.created.v1', source: 'payment', subject: 'o1' },
      hook: 'acme',
    });
    expect(events[1]).toMatchObject({ data: { sku: 'b' }, event: { type: 'orders.created', subject: 'o2' } });
  });

  it('fails when the event was not stored', async () => {
    await using service = await Service.start(broker.server.url, []);
    await service.connection.ready();
    await expect(lastValueFrom(service.client.emit('nobody.listens', {}))).rejects.toMatchObject({
      code: 'RETRY_LATER',
    });
  });
});
