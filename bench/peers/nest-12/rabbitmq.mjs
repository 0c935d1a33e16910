/**
 * NestJS's own RabbitMQ transport. Its defaults keep nothing, so for what is confirmed to be on disk until it is
 * handled: persistent messages, a durable queue, and acks by the handler.
 */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, Ctx, EventPattern, MessagePattern, Payload, Transport } from '@nestjs/microservices';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { controllerOf, EVENT, moduleOf, REQUEST } from '../controller.mjs';

const nest = { Controller, Module, Ctx, EventPattern, MessagePattern, Payload };
const optionsOf = (url) => ({ urls: [url], queue: 'bench', queueOptions: { durable: true }, persistent: true });

export async function consume(url, hear) {
  const settle = (context) => context.getChannelRef().ack(context.getMessage());
  const controller = controllerOf(nest, {
    heard: async (event, context) => {
      hear(event);
      settle(context);
    },
    answered: ({ n }, context) => {
      settle(context);
      return { n };
    },
  });
  const app = await NestFactory.createMicroservice(moduleOf(nest, { controllers: [controller] }), {
    transport: Transport.RMQ,
    options: { ...optionsOf(url), noAck: false },
    logger: ['error'],
  });
  await app.listen();
}

export async function connect(url) {
  const client = ClientProxyFactory.create({ transport: Transport.RMQ, options: optionsOf(url) });
  await client.connect();
  return {
    publish: (event) => lastValueFrom(client.emit(EVENT, event), { defaultValue: undefined }),
    request: async (n) => (await firstValueFrom(client.send(REQUEST, { n }))).n,
  };
}
