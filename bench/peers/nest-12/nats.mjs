/** NestJS's own NATS transport with its defaults. It keeps nothing: what nobody hears at the moment is lost. */
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
    transport: Transport.NATS,
    options: { servers: [url], queue: 'bench' },
    logger: ['error'],
  });
  await app.listen();
  await app.unwrap().flush();
}

export async function connect(url) {
  const client = ClientProxyFactory.create({ transport: Transport.NATS, options: { servers: [url] } });
  await client.connect();
  return {
    publish: async (event) => {
      await lastValueFrom(client.emit(EVENT, event), { defaultValue: undefined });
      await arrived();
    },
    request: async (n) => (await firstValueFrom(client.send(REQUEST, { n }))).n,
  };

  /** `emit` resolves before anything is sent. Resolves when the broker has what was; one round trip serves many. */
  function arrived() {
    flushing ??= client
      .unwrap()
      .flush()
      .finally(() => (flushing = undefined));
    return flushing;
  }
}

let flushing;
