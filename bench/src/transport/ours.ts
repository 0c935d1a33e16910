/** Our transport as a service uses it. */
import { Controller, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { PaymentsCompleted } from '@pavane/contracts';
import {
  JetStreamClient,
  JetStreamConnection,
  JetStreamEvent,
  JetStreamHealth,
  JetStreamModule,
  JetStreamPublisher,
  JetStreamRecord,
  JetStreamServer,
  toHeaders,
} from '@pavane/jetstream';
import { eventually } from '@pavane/testing';
import { IsInt } from 'class-validator';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { v7 } from 'uuid';
import type { Measured, Publisher } from './contender.js';
import { DURABLE, REQUESTS, STREAM, SUBJECT } from './topology.js';
import { envelopeOf } from './envelope.js';

export { provision } from './topology.js';

const SUBSCRIPTION = { stream: STREAM, subject: `${SUBJECT}.*`, durable: DURABLE, type: `${SUBJECT}.v1` };

class MeasuredPayment extends PaymentsCompleted implements Measured {
  @IsInt() n!: number;
  @IsInt() dueUs!: number;
}

/** @param variant `unvalidated`: the payload has no class, so nothing checks it */
export async function consume(url: string, hear: (event: Measured) => void, variant?: string): Promise<void> {
  @Controller()
  class Validated {
    @JetStreamEvent(SUBSCRIPTION)
    async heard(@Payload() event: MeasuredPayment): Promise<void> {
      hear(event);
    }
  }
  @Controller()
  class Unvalidated {
    @JetStreamEvent(SUBSCRIPTION)
    async heard(@Payload() event: object): Promise<void> {
      hear(event as Measured);
    }
  }
  const app = await NestFactory.create(
    moduleOf('bench', url, [variant === 'unvalidated' ? Unvalidated : Validated, Answers]),
    {
      logger: ['error'],
    },
  );
  app.connectMicroservice({ strategy: app.get(JetStreamServer) });
  await app.init();
  await app.startAllMicroservices();
  await eventually(() => {
    const { ok, problems } = app.get(JetStreamHealth).check();
    if (!ok) throw new Error(problems.join('; '));
  });
}

@Controller()
class Answers {
  @MessagePattern(REQUESTS)
  answer(@Payload() { n }: { n: number }): { n: number } {
    return { n };
  }
}

/** @param variant `clientProxy`: publishes by `client.emit`, otherwise as the outbox's relay does */
export async function connect(url: string, variant?: string): Promise<Publisher> {
  const app = await NestFactory.createApplicationContext(moduleOf('bench-publisher', url, []), { logger: ['error'] });
  await app.get(JetStreamConnection).ready();
  const publisher = app.get(JetStreamPublisher);
  const client = app.get(JetStreamClient);
  const publish = (data: Measured) => {
    const event = envelopeOf(v7());
    return publisher.publish({
      subject: `${SUBJECT}.${event.subject}`,
      id: event.id,
      headers: toHeaders(event),
      data: JSON.stringify(data),
    });
  };
  const emit = (data: Measured) => {
    const { id, type, subject } = envelopeOf(v7());
    return lastValueFrom(client.emit(`${SUBJECT}.${subject}`, new JetStreamRecord(data, { id, type })));
  };
  return {
    publish: variant === 'clientProxy' ? emit : publish,
    request: async (n) => (await firstValueFrom(client.send<{ n: number }>(REQUESTS, { n }))).n,
  };
}

function moduleOf(service: string, url: string, controllers: Type[]): Type {
  @Module({
    imports: [JetStreamModule.forRoot({ service, connection: { servers: url }, waitingRoom: false })],
    controllers,
  })
  class BenchModule {}
  return BenchModule;
}
