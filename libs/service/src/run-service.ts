import 'reflect-metadata';
import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger, type Type } from '@nestjs/common';
import { ModuleRef, NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Flags } from '@pavane/flags';
import { JetStreamConnection, JetStreamServer } from '@pavane/jetstream';
import { PG_POOL } from '@pavane/outbox';
import { JsonLogger, shutdownTelemetry } from '@pavane/telemetry';
import type { Pool } from 'pg';
import { leaveOnSignals } from './boot-signals.js';
import type { ServiceConfig } from './config.js';
import { ShutdownCoordinator } from './coordinator.js';
import { HttpDrain } from './http-drain.js';
import { ServiceHttpAdapter } from './http-server.js';
import { configureHttp } from './http.js';
import { Intake } from './intake.js';
import { ConfigError, loadConfig } from './load-config.js';
import { relayOf } from './relay-of.js';
import { serviceOptionsOf } from './service.module.js';

/** `sysexits.h`: something in the configuration is wrong, and starting again will not help. */
const EX_CONFIG = 78;

/**
 * Starts a service and keeps it until SIGTERM or SIGINT; then everything in flight is finished and the process exits
 * with 0; while it starts, they end it at once. Exits with 78 when the environment is not usable, and with 1 when it cannot start or a stop takes too long.
 * A broker or a database that is away does not keep it from starting: it is unready until they are back.
 */
export async function runService(appModule: Type): Promise<void> {
  // For those who do not start with `--import @pavane/service/register`.
  leaveOnSignals();
  try {
    const { name, config: Config } = serviceOptionsOf(appModule);
    const config = loadConfig(Config);
    await start(appModule, name, config);
  } catch (error) {
    fail(error);
  }
}

async function start(appModule: Type, name: string, config: ServiceConfig): Promise<void> {
  const app = await NestFactory.create<NestExpressApplication>(appModule, new ServiceHttpAdapter(), {
    logger: new JsonLogger({ service: name, level: config.LOG_LEVEL }),
    bodyParser: false,
    abortOnError: false,
  });
  const events = app.get(JetStreamServer);
  // Connected first: handlers inherit the app's global pipes and filters as they are now, and those of HTTP, which
  // refuse unknown fields and answer in statuses, are not for events.
  app.connectMicroservice({ strategy: events }, { inheritAppConfig: true });
  configureHttp(app, name, config);
  const http = new HttpDrain(app.getHttpServer());
  const coordinator = planShutdown(app, config, http).listen();
  await app.init();
  if (coordinator.isDraining) return;
  // The port comes before the events: a busy one must not cost a redelivery.
  const port = await listen(app.getHttpServer(), name, config);
  if (coordinator.isDraining) return;
  await app.startAllMicroservices();
  new Logger('Service').log('started', { port, ms: Math.round(performance.now()) });
}

function planShutdown(app: NestExpressApplication, config: ServiceConfig, http: HttpDrain): ShutdownCoordinator {
  const events = app.get(JetStreamServer);
  let answered: Promise<void> | undefined;
  return app
    .get(ShutdownCoordinator)
    .step('serve on while load balancers look elsewhere', () => {
      http.turnAway();
      return config.SHUTDOWN_GRACE ? sleep(config.SHUTDOWN_GRACE) : undefined;
    })
    .step('stop intake', async () => {
      answered = http.stop();
      const loops = app.get(Intake).stop();
      await Promise.all([events.stopIntake(), loops]);
    })
    .step(
      'finish what is in flight',
      () => Promise.all([answered, events.close()]),
      () => ({ requests: http.inFlight }),
    )
    .step('publish what was committed', () => relayOf(app.get(ModuleRef))?.drain())
    .step('stop following flags', () => app.get(Flags).close())
    .step('run the shutdown hooks of the app', () => app.close())
    .step('flush telemetry', shutdownTelemetry)
    .step('drain the broker connection', () => app.get(JetStreamConnection).drain())
    .step('close the database', () => app.get<Pool>(PG_POOL).end());
}

function listen(server: Server, name: string, config: ServiceConfig): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const where = `${config.HOST.includes(':') ? `[${config.HOST}]` : config.HOST}:${config.PORT}`;
      const busy = `${name} cannot listen on ${where}: the port is in use. Stop what listens there or set PORT.`;
      reject(error.code === 'EADDRINUSE' ? new StartFailure(busy, { cause: error }) : error);
    });
    // Without a host Node falls back to IPv4 where there is no IPv6.
    const host = config.HOST === '::' ? undefined : config.HOST;
    server.listen({ port: config.PORT, host }, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : config.PORT);
    });
  });
}

/** Its message says all there is to say. */
class StartFailure extends Error {}

function fail(error: unknown): never {
  const plain = error instanceof ConfigError || error instanceof StartFailure;
  process.stderr.write(`${plain ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(error instanceof ConfigError ? EX_CONFIG : 1);
}
