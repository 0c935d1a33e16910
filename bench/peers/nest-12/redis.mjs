/** NestJS's own Redis transport with its defaults: Redis publish and subscribe, which keeps nothing. */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientProxyFactory, Ctx, EventPattern, MessagePattern, Payload, Transport } from '@nestjs/microservices';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { controllerOf, EVENT, moduleOf, REQUEST } from '../controller.mjs';

const nest = { Controller, Module, Ctx, EventPattern, MessagePattern, Payload };

export async function consume(url, hear) {
  const controller = controllerOf(nest, { heard: async (event) => hear(event), answered: ({ n }) => ({ n }) });
  const app = await NestFactory.createMicroservice(moduleOf(nest, { controllers: [controller] }), {
    transport: Transport.REDIS,
    options: addressOf(url),
    logger: ['error'],
  });
  await app.listen();
  const [, subscriber] = app.unwrap();
  await subscriber.ping();
}

export async function connect(url) {
  const client = ClientProxyFactory.create({ transport: Transport.REDIS, options: addressOf(url) });
  await client.connect();
  return {
    publish: (event) => lastValueFrom(client.emit(EVENT, event), { defaultValue: undefined }),
    request: async (n) => (await firstValueFrom(client.send(REQUEST, { n }))).n,
  };
}

function addressOf(url) {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}
