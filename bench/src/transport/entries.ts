import { join } from 'node:path';
import type { Broker } from './broker.js';

/** One that takes part. */
export interface Entry {
  /** Its key in the report. */
  name: string;
  /** What it is, how it is set up, and what it promises. */
  about: string;
  /** A module that exports what `Contender` says. */
  module: string;
  variant?: string;
  broker: Broker['kind'];
  /** Whether what the broker has confirmed stays, on disk, until it is acknowledged. */
  durable: boolean;
  /** Takes part in the first phase alone: it shows where a difference comes from. */
  eventsOnly?: boolean;
}

const own = (name: string) => join(import.meta.dirname, `${name}.js`);
const nats = { broker: 'nats', durable: true } as const;

/** Ours, what it is held against, and what tells where the difference comes from. */
export const OWN: readonly Entry[] = [
  {
    ...nats,
    name: 'ours',
    about: 'JetStreamPublisher to @JetStreamEvent with its payload validated; client.send to @MessagePattern',
    module: own('ours'),
  },
  {
    ...nats,
    name: 'bare',
    about: 'the NATS client by hand: the same bytes, ids, durability and concurrency; nothing validated',
    module: own('bare'),
  },
  {
    ...nats,
    name: 'oursByEmit',
    about: 'ours, published by ClientProxy.emit as the peers publish',
    module: own('ours'),
    variant: 'clientProxy',
    eventsOnly: true,
  },
  {
    ...nats,
    name: 'oursUnvalidated',
    about: 'ours, with a payload of no class, so that nothing checks it',
    module: own('ours'),
    variant: 'unvalidated',
    eventsOnly: true,
  },
  {
    ...nats,
    name: 'bareIdOnly',
    about: 'bare, without the CloudEvents envelope: the message id is the only header',
    module: own('bare'),
    variant: 'idOnly',
    eventsOnly: true,
  },
];

/** The workspace of the peers. */
export const PEERS_DIR = join(import.meta.dirname, '../../peers');
const peer = (file: string) => join(PEERS_DIR, file);

/** The others, each with its documented defaults and what it needs to keep an event as long as ours does, if it can. */
export const PEERS: readonly Entry[] = [
  {
    ...nats,
    name: 'horizon',
    about: '@horizon-republic/nestjs-jetstream: file storage; acks before the handler runs, no message ids',
    module: peer('nest-11/horizon.mjs'),
  },
  {
    ...nats,
    name: 'nestjsPlugins',
    about: '@nestjs-plugins/nestjs-nats-jetstream-transport: file storage, acks by the handler, message ids',
    module: peer('nest-11/nestjs-plugins.mjs'),
  },
  {
    name: 'nestNats',
    about: "NestJS's NATS transport: keeps nothing",
    module: peer('nest-12/nats.mjs'),
    broker: 'nats',
    durable: false,
  },
  {
    name: 'nestRedis',
    about: "NestJS's Redis transport: publish and subscribe, keeps nothing",
    module: peer('nest-12/redis.mjs'),
    broker: 'redis',
    durable: false,
  },
  {
    name: 'nestRabbitMq',
    about: "NestJS's RabbitMQ transport: durable queue, persistent messages, confirms, acks by the handler",
    module: peer('nest-12/rabbitmq.mjs'),
    broker: 'rabbitmq',
    durable: true,
  },
  {
    name: 'golevelup',
    about: '@golevelup/nestjs-rabbitmq: durable queue, persistent messages, confirms, acks after the handler',
    module: peer('nest-11/golevelup.mjs'),
    broker: 'rabbitmq',
    durable: true,
  },
];
