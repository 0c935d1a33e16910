import {
  type ArgumentsHost,
  type CallHandler,
  Catch,
  Controller,
  type ExecutionContext,
  Get,
  type NestInterceptor,
  UseFilters,
  UseInterceptors,
  ValidationPipe,
} from '@nestjs/common';
import { Ctx, type MicroserviceOptions, Payload } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import { eventually } from '@pavane/testing';
import { IsString } from 'class-validator';
import { EMPTY, type Observable, tap } from 'rxjs';
import { DEAD_LETTER } from '../failures/dead-letter.js';
import { RetryLater, Unprocessable } from '../errors.js';
import { JetStreamEvent } from './jetstream-event.decorator.js';
import { JetStreamContext } from './jetstream.context.js';
import { JetStreamModule } from './jetstream.module.js';
import { JetStreamServer } from './jetstream.server.js';
import { Broker } from '../testing/broker.js';
import { CREATED, durablesOf, on } from '../testing/handlers.js';
import { Service } from '../testing/service.js';

class OrderCreated {
  @IsString() sku!: string;
}

let broker: Broker;
beforeEach(async () => {
  broker = await Broker.start();
  await broker.provision(durablesOf(CREATED));
});
afterEach(() => broker[Symbol.asyncDispose]());

const drained = () => eventually(async () => expect(await broker.stored()).toBe(0));

describe.each([true, false])('in a hybrid application (inheritAppConfig: %s)', (inheritAppConfig) => {
  it('typed errors, validation and the context reach the handler and the transport as they are', async () => {
    const deliveries: string[] = [];
    @Controller()
    class Orders {
      @Get()
      http(): string {
        return 'ok';
      }

      @JetStreamEvent(CREATED)
      heard(@Payload() data: OrderCreated, @Ctx() context: JetStreamContext): void {
        expect(data).toBeInstanceOf(OrderCreated);
        deliveries.push(`${context.event.subject} ${context.deliveryCount}`);
        if (data.sku === 'away' && context.deliveryCount === 1) throw new RetryLater('away');
        if (data.sku === 'bad') throw new Unprocessable('bad sku');
      }
    }
    const module = await Test.createTestingModule({
      imports: [
        JetStreamModule.forRootAsync({
          useFactory: () => ({
            service: 'payment',
            connection: { servers: broker.server.url },
            backoff: { away: { firstMs: 20, maxMs: 20 } },
          }),
        }),
      ],
      controllers: [Orders],
    })
      .setLogger(false as never)
      .compile();
    const app = module.createNestApplication({ logger: false });
    app.useGlobalPipes(new ValidationPipe({ transform: true, whitelist: true, forbidNonWhitelisted: true }));
    app.connectMicroservice<MicroserviceOptions>({ strategy: app.get(JetStreamServer) }, { inheritAppConfig });
    await app.init();
    await app.startAllMicroservices();
    await app.listen(0, '127.0.0.1');
    expect(await (await fetch(await app.getUrl())).text()).toBe('ok');

    await broker.publish('orders.created.o1', { sku: 'away' });
    await drained();
    await broker.publish('orders.created.o2', { sku: 'bad' });
    await drained();
    expect(deliveries).toEqual(['o1 1', 'o1 2', 'o2 1']);
    expect((await broker.deadLetters()).map(({ headers }) => headers[DEAD_LETTER.reason])).toEqual(['bad sku']);
    await app.close();
  });
});

describe('Nest features around a handler', () => {
  it('interceptors see every event, and a filter above the decorator decides before the transport does', async () => {
    const steps: string[] = [];
    class Timing implements NestInterceptor {
      intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
        steps.push(`before ${context.switchToRpc().getContext<JetStreamContext>().event.subject}`);
        return next.handle().pipe(tap({ error: () => steps.push('failed') }));
      }
    }
    @Catch(RangeError)
    class Forgive {
      catch(_error: unknown, _host: ArgumentsHost): Observable<never> {
        steps.push('forgiven');
        return EMPTY;
      }
    }
    @Controller()
    class Orders {
      @UseFilters(Forgive)
      @UseInterceptors(Timing)
      @JetStreamEvent(CREATED)
      heard(): void {
        throw new RangeError('out of range');
      }
    }
    await using _service = await Service.start(broker.server.url, [Orders]);
    await broker.publish('orders.created.o1');
    await drained();
    expect(steps).toEqual(['before o1', 'failed', 'forgiven']);
    expect(await broker.deadLetters()).toEqual([]);
  });

  it('the processing hooks of instrumentation are called around each event, also a failing one', async () => {
    const hooks: string[] = [];
    await using service = await Service.start(broker.server.url, [
      on(CREATED, (_, { deliveryCount }) => {
        hooks.push('handler');
        if (deliveryCount === 1) throw new Error('once');
      }),
    ]);
    service.server.setOnProcessingStartHook((_id, context, done) => {
      hooks.push(`start ${(context as JetStreamContext).event.subject}`);
      void done();
    });
    service.server.setOnProcessingEndHook(() => hooks.push('end'));
    await broker.publish('orders.created.o1');
    await drained();
    expect(hooks).toEqual(['start o1', 'handler', 'end', 'start o1', 'handler', 'end']);
  });
});
