import type { Type } from '@nestjs/common';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import type { INestMicroservice } from '@nestjs/common';
import { JetStreamConnection } from '../connection/connection.js';
import { JetStreamHealth } from '../connection/health.js';
import { JetStreamClient } from '../requests/jetstream.client.js';
import { JetStreamModule } from '../nest/jetstream.module.js';
import { JetStreamServer } from '../nest/jetstream.server.js';
import type { JetStreamOptions } from '../nest/options.js';
import { JetStreamPublisher } from '../publish/publisher.js';

/** A Nest application with the transport and the given controllers, running until disposed. */
export class Service implements AsyncDisposable {
  private constructor(private readonly app: INestMicroservice) {}

  static async start(url: string, controllers: Type[], options: Partial<JetStreamOptions> = {}): Promise<Service> {
    const module = await Test.createTestingModule({
      imports: [
        JetStreamModule.forRoot({
          service: 'payment',
          connection: { servers: url, reconnectTimeWait: 50 },
          backoff: { failed: { firstMs: 20, maxMs: 100 }, away: { firstMs: 50, maxMs: 400 } },
          onFatal: () => undefined,
          ...options,
        }),
      ],
      controllers,
    }).compile();
    module.useLogger(process.env['TEST_LOGS'] ? ['log', 'error', 'warn', 'debug'] : false);
    const app = module.createNestMicroservice<MicroserviceOptions>({ strategy: module.get(JetStreamServer) });
    const service = new Service(app);
    try {
      await app.listen();
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
    return service;
  }

  get connection() {
    return this.app.get(JetStreamConnection);
  }

  get server() {
    return this.app.get(JetStreamServer);
  }

  get publisher() {
    return this.app.get(JetStreamPublisher);
  }

  get client() {
    return this.app.get(JetStreamClient);
  }

  get health() {
    return this.app.get(JetStreamHealth);
  }

  get<T>(type: Type<T>): T {
    return this.app.get(type);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.app.close();
    await this.connection.drain();
  }
}
