export { cacheDir, publish } from './cache.js';
export { freePort, PortBusy } from './ports.js';
export { ServerFailed, ServerProcess } from './server-process.js';
export {
  isExecutable,
  NATS_SERVER_MINIMUM,
  NatsServerMissing,
  natsServerBinary,
  type BinaryOptions,
} from './nats-binary.js';
export { startNats, type NatsOptions, type NatsServer } from './nats-server.js';
export { startPostgres, type PostgresOptions, type PostgresServer } from './postgres-server.js';
export { hasPgBouncer, startPgBouncer, type PgBouncer, type PgBouncerOptions } from './pgbouncer.js';
export { applyMigrations } from './migrations.js';
