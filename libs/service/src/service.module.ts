import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { type FlagDefinitions, FlagsModule } from '@pavane/flags';
import { JetStreamConnection, JetStreamHealth, JetStreamModule, type Subscription } from '@pavane/jetstream';
import { access, serversIn } from '@pavane/jetstream/access';
import { CLOCK, isAway, isImpossible, PG_POOL, revisionProblem } from '@pavane/outbox';
import type { Pool } from 'pg';
import { Clocks, compare } from './clocks.js';
import { ServiceConfig } from './config.js';
import { ShutdownCoordinator } from './coordinator.js';
import { createPool, PoolOwner } from './database.js';
import { type DatabaseCheck, DatabaseProbe } from './database-probe.js';
import { Intake } from './intake.js';
import { loadConfig } from './load-config.js';
import { migrationProblem, migrationsIn } from './migrations.js';
import { OperationsController } from './operations.controller.js';
import { Readiness } from './readiness.js';
import { relayOf } from './relay-of.js';

export interface ServiceOptions {
  /** Short name: `order`. In logs, connections, metrics and the durables' prefix. */
  name: string;
  /** The class the environment is read into; inject it by this class or as `ServiceConfig`. */
  config: Type<ServiceConfig>;
  /** What this service handles, by any name: a start without a handler for each of them fails. */
  subscriptions?: Readonly<Record<string, Subscription>>;
  /** Flags this service reads. */
  flags?: FlagDefinitions;
  /** `broker: false` when the service can accept work while the broker is away. Default true. */
  readiness?: { broker: boolean };
  /** The folder of the migrations its database needs; unready until all of them are applied. */
  migrations?: URL;
}

/** Metadata key under which `runService` finds the options again before it creates the app. */
const OPTIONS = Symbol('SERVICE_OPTIONS');

/** What every service has: configuration, database pool, transport, flags, health, metrics, and an orderly end. Global. */
@Module({})
export class ServiceModule {
  static forRoot(options: ServiceOptions): DynamicModule {
    const { name, config: Config, flags = {}, readiness = { broker: true } } = options;
    return {
      [OPTIONS]: options,
      module: ServiceModule,
      global: true,
      imports: [
        JetStreamModule.forRootAsync({
          inject: [Config],
          useFactory: (config: ServiceConfig) => transport(options, config),
        }),
        FlagsModule.forRootAsync({
          inject: [JetStreamConnection],
          useFactory: (connection: JetStreamConnection) => ({
            definitions: flags,
            connection: async () => {
              await connection.ready();
              return connection.nc;
            },
          }),
        }),
      ],
      controllers: [OperationsController],
      providers: [
        { provide: Config, useFactory: () => loadConfig(Config) },
        ...(Config === ServiceConfig ? [] : [{ provide: ServiceConfig, useExisting: Config }]),
        { provide: PG_POOL, inject: [Config], useFactory: (config: ServiceConfig) => createPool(config, name) },
        {
          provide: DatabaseProbe,
          inject: [Config, PG_POOL, ModuleRef],
          useFactory: (config: ServiceConfig, pool: Pool, module: ModuleRef) =>
            new DatabaseProbe(createPool(config, `${name}-probe`, 1), pool, schemaChecks(options, module)),
        },
        PoolOwner,
        Intake,
        {
          provide: ShutdownCoordinator,
          inject: [Config],
          useFactory: (config: ServiceConfig) => new ShutdownCoordinator({ deadlineMs: config.SHUTDOWN_DEADLINE }),
        },
        {
          provide: Clocks,
          inject: [DatabaseProbe, JetStreamHealth],
          useFactory: (database: DatabaseProbe, broker: JetStreamHealth) =>
            new Clocks({ database: () => database.clock(), broker: () => compare(() => broker.brokerTime()) }),
        },
        { provide: CLOCK, inject: [Clocks], useFactory: (clocks: Clocks) => () => clocks.now() },
        {
          provide: Readiness,
          inject: [DatabaseProbe, JetStreamHealth, Clocks, ShutdownCoordinator],
          useFactory: (...needs: [DatabaseProbe, JetStreamHealth, Clocks, ShutdownCoordinator]) =>
            new Readiness(...needs, readiness.broker),
        },
      ],
      exports: [Config, ServiceConfig, PG_POOL, CLOCK, Intake, ShutdownCoordinator, Readiness],
    } as DynamicModule;
  }
}

/** What the schema of a service's database must have. */
function schemaChecks({ migrations }: ServiceOptions, module: ModuleRef): DatabaseCheck[] {
  const names = migrations ? migrationsIn(migrations) : [];
  return [
    (db) => migrationProblem(db, names),
    // Which modules the app has is known by the time that somebody asks.
    async (db) => (relayOf(module) ? revisionProblem(db) : undefined),
  ];
}

/** The options an app module gave to `ServiceModule.forRoot`. @throws TypeError when it did not import it */
export function serviceOptionsOf(appModule: Type): ServiceOptions {
  const imports = (Reflect.getMetadata('imports', appModule) ?? []) as { [OPTIONS]?: ServiceOptions }[];
  const found = imports.find((imported) => imported?.[OPTIONS])?.[OPTIONS];
  if (found) return found;
  throw new TypeError(
    `${appModule.name} does not import ServiceModule.forRoot({ name, config }) itself; runService needs it there.`,
  );
}

function transport({ name, subscriptions = {} }: ServiceOptions, config: ServiceConfig) {
  return {
    service: name,
    subscriptions: Object.values(subscriptions),
    // Whatever a handler was doing with its database: that it is away is nobody's fault.
    isAway,
    // Nor can it take what it refuses, wherever the handler asked.
    isImpossible,
    // Before the deadline of the whole stop, so that what comes after it is still done.
    closeWithinMs: 0.75 * config.SHUTDOWN_DEADLINE,
    connection: {
      // Replies stay apart per service, so that the broker can forbid one to read another's.
      inboxPrefix: `_INBOX_${name}`,
      ...serversIn(config.NATS_URL),
      ...access({ nkeyFile: config.NATS_NKEY_FILE, caFile: config.NATS_CA_FILE }),
    },
  };
}
