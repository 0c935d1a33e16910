import {
  type DynamicModule,
  type FactoryProvider,
  Global,
  Inject,
  Module,
  type ModuleMetadata,
  type OnApplicationShutdown,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { JetStreamConnection } from '../connection/connection.js';
import { JetStreamHealth } from '../connection/health.js';
import { JetStreamClient } from '../requests/jetstream.client.js';
import { JetStreamServer } from './jetstream.server.js';
import { JETSTREAM_OPTIONS, type JetStreamOptions } from './options.js';
import { JetStreamPublisher } from '../publish/publisher.js';

export interface JetStreamModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  inject?: FactoryProvider<JetStreamOptions>['inject'];
  useFactory: FactoryProvider<JetStreamOptions>['useFactory'];
}

const PARTS: Provider[] = [
  {
    provide: JetStreamConnection,
    inject: [JETSTREAM_OPTIONS],
    useFactory: (options: JetStreamOptions) => new JetStreamConnection(options),
  },
  {
    provide: JetStreamPublisher,
    inject: [JetStreamConnection],
    useFactory: (connection: JetStreamConnection) => new JetStreamPublisher(connection),
  },
  {
    provide: JetStreamClient,
    inject: [JetStreamConnection, JetStreamPublisher, JETSTREAM_OPTIONS],
    useFactory: (connection: JetStreamConnection, publisher: JetStreamPublisher, options: JetStreamOptions) =>
      new JetStreamClient(connection, publisher, options),
  },
  {
    provide: JetStreamServer,
    inject: [JetStreamConnection, JetStreamPublisher, JETSTREAM_OPTIONS],
    useFactory: (connection: JetStreamConnection, publisher: JetStreamPublisher, options: JetStreamOptions) =>
      new JetStreamServer(connection, publisher, options),
  },
  {
    provide: JetStreamHealth,
    inject: [JetStreamConnection, JetStreamServer],
    useFactory: (connection: JetStreamConnection, server: JetStreamServer) => new JetStreamHealth(connection, server),
  },
];
const EXPORTS = [JetStreamConnection, JetStreamPublisher, JetStreamClient, JetStreamServer, JetStreamHealth];

/**
 * One connection and what uses it, for the whole application. Connects in the background once the application is
 * initialised, and drains after Nest has closed everything else.
 */
@Global()
@Module({})
export class JetStreamModule implements OnModuleInit, OnApplicationShutdown {
  constructor(@Inject(JetStreamConnection) private readonly connection: JetStreamConnection) {}

  static forRoot(options: JetStreamOptions): DynamicModule {
    return this.forRootAsync({ useFactory: () => options });
  }

  static forRootAsync({ imports, inject, useFactory }: JetStreamModuleAsyncOptions): DynamicModule {
    return {
      module: JetStreamModule,
      imports: imports ?? [],
      providers: [{ provide: JETSTREAM_OPTIONS, inject: inject ?? [], useFactory }, ...PARTS],
      exports: EXPORTS,
    };
  }

  onModuleInit(): void {
    this.connection.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.connection.drain();
  }
}
