/**
 * `@horizon-republic/nestjs-jetstream` as its README shows; it has no options but a name and the servers. Its streams
 * are on disk and its consumers ask for explicit acks; it acks before the handler runs and gives no message ids.
 * Requests go through a stream as well; their handlers have to return an Observable.
 */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import {
  getJetStreamTransportToken,
  JetstreamClientModule,
  JetstreamServerModule,
} from '@horizon-republic/nestjs-jetstream';
import { firstValueFrom, lastValueFrom, of } from 'rxjs';
import { controllerOf, EVENT, moduleOf, REQUEST } from '../controller.mjs';

const NAME = 'bench';
const nest = { Controller, Module, Ctx, EventPattern, MessagePattern, Payload };

export async function consume(url, hear) {
  const controller = controllerOf(nest, { heard: async (event) => hear(event), answered: ({ n }) => of({ n }) });
  const imports = [JetstreamServerModule.forRoot({ name: NAME, servers: [url] })];
  const app = await NestFactory.create(moduleOf(nest, { imports, controllers: [controller] }), { logger: ['error'] });
  app.connectMicroservice(app.get(getJetStreamTransportToken(NAME)), { inheritAppConfig: true });
  await app.startAllMicroservices();
}

export async function connect(url) {
  const imports = [JetstreamClientModule.forFeature({ name: NAME, servers: [url] })];
  const app = await NestFactory.createApplicationContext(moduleOf(nest, { imports }), { logger: ['error'] });
  const client = app.get(NAME);
  const acks = acksOf(await client.connect());
  return {
    publish: async (event) => {
      await lastValueFrom(client.emit(EVENT, event), { defaultValue: undefined });
      await acks.shift();
    },
    request: async (n) => (await firstValueFrom(client.send(REQUEST, { n }))).n,
  };
}

/**
 * The PubAcks of what is published, in its order. `emit` throws them away; without them there would be no telling how
 * many events are on their way, nor whether one was refused.
 */
function acksOf(nc) {
  const acks = [];
  const jetstream = nc.jetstream.bind(nc);
  nc.jetstream = (options) => {
    const js = jetstream(options);
    const publish = js.publish.bind(js);
    js.publish = (...args) => {
      const ack = publish(...args);
      acks.push(ack);
      return ack;
    };
    return js;
  };
  return acks;
}
