/**
 * `@golevelup/nestjs-rabbitmq` as its README shows: publisher confirms, durable queues and acks after the handler are
 * its defaults; `persistent` is set so that what is confirmed is on disk.
 */
import 'reflect-metadata';
import { Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AmqpConnection, RabbitMQModule, RabbitRPC, RabbitSubscribe } from '@golevelup/nestjs-rabbitmq';
import { v7 } from 'uuid';
import { EVENT, moduleOf, REQUEST } from '../controller.mjs';

const EXCHANGE = 'bench';

const rabbit = (uri) => RabbitMQModule.forRoot({ exchanges: [{ name: EXCHANGE, type: 'topic' }], uri });

export async function consume(url, hear) {
  class Handlers {
    async heard(event) {
      hear(event);
    }

    async answered({ n }) {
      return { n };
    }
  }
  const decorate = (method, decorator) =>
    decorator(Handlers.prototype, method, Object.getOwnPropertyDescriptor(Handlers.prototype, method));
  decorate('heard', RabbitSubscribe({ exchange: EXCHANGE, routingKey: EVENT, queue: 'bench-events' }));
  decorate('answered', RabbitRPC({ exchange: EXCHANGE, routingKey: REQUEST, queue: 'bench-requests' }));
  Injectable()(Handlers);
  const module = moduleOf({ Module }, { imports: [rabbit(url)], providers: [Handlers] });
  await (await NestFactory.createApplicationContext(module, { logger: ['error'] })).init();
}

export async function connect(url) {
  const module = moduleOf({ Module }, { imports: [rabbit(url)] });
  const app = await NestFactory.createApplicationContext(module, { logger: ['error'] });
  const connection = app.get(AmqpConnection);
  return {
    publish: (event) => connection.publish(EXCHANGE, EVENT, event, { persistent: true, messageId: v7() }),
    request: async (n) => (await connection.request({ exchange: EXCHANGE, routingKey: REQUEST, payload: { n } })).n,
  };
}
