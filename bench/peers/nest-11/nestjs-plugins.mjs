/**
 * `@nestjs-plugins/nestjs-nats-jetstream-transport` as its README shows: a push consumer with explicit acks by the
 * handler, on a stream that is on disk by default. Its builder for message ids is used, so that its events have one.
 */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import plugin from '@nestjs-plugins/nestjs-nats-jetstream-transport';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { v7 } from 'uuid';
import { controllerOf, EVENT, moduleOf, REQUEST } from '../controller.mjs';

const { NatsJetStreamClientProxy, NatsJetStreamRecordBuilder, NatsJetStreamServer, NatsJetStreamTransport } = plugin;
const nest = { Controller, Module, Ctx, EventPattern, MessagePattern, Payload };

export async function consume(url, hear) {
  const controller = controllerOf(nest, {
    heard: async (event, context) => {
      hear(event);
      context.message.ack();
    },
    answered: ({ n }) => ({ n }),
  });
  const strategy = new NatsJetStreamServer({
    connectionOptions: { servers: url, name: 'bench-listener' },
    consumerOptions: { deliverGroup: 'bench-group', durable: 'bench', deliverTo: 'bench-messages', manualAck: true },
    streamConfig: { name: 'bench', subjects: ['payments.*'] },
  });
  const app = await NestFactory.createMicroservice(moduleOf(nest, { controllers: [controller] }), {
    strategy,
    logger: ['error'],
  });
  await app.listen();
}

export async function connect(url) {
  const imports = [NatsJetStreamTransport.register({ connectionOptions: { servers: url, name: 'bench-publisher' } })];
  const app = await NestFactory.createApplicationContext(moduleOf(nest, { imports }), { logger: ['error'] });
  const client = app.get(NatsJetStreamClientProxy);
  await client.connect();
  return {
    publish: (event) => {
      const record = new NatsJetStreamRecordBuilder(event);
      record.setMsgId(v7());
      return lastValueFrom(client.emit(EVENT, record.build()));
    },
    request: async (n) => (await firstValueFrom(client.send(REQUEST, { n }))).n,
  };
}
