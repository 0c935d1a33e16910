import { once } from 'node:events';
import { chownSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { isExecutable } from './nats-binary.js';
import { freePort } from './ports.js';
import { postgresBinaries } from './postgres-binaries.js';
import { temporaryDir } from './postgres-dir.js';
import { ServerProcess } from './server-process.js';

export interface PgBouncerOptions {
  /** Port on 127.0.0.1. Default: a free one. */
  port?: number;
  /** Port of the PostgreSQL on 127.0.0.1 it leads to, whose user `postgres` needs no password. */
  postgres: number;
  poolMode: 'session' | 'transaction';
}

/** A PgBouncer with nothing set but what it leads to; it listens on loopback only and does not outlive this process. */
export interface PgBouncer extends AsyncDisposable {
  readonly port: number;
  /** Connection string of a database, as user `postgres`. */
  url(database: string): string;
}

/** Whether there is a pgbouncer; says so where it is missing. `PGBOUNCER_TESTS=required` takes it for granted. */
export function hasPgBouncer(env: NodeJS.ProcessEnv = process.env): boolean {
  if (binaryOf(env) !== undefined) return true;
  const missing = 'pgbouncer in PATH or PGBOUNCER_BIN (Debian has a package)';
  if (env['PGBOUNCER_TESTS'] === 'required') throw new Error(`PGBOUNCER_TESTS=required needs ${missing}`);
  process.stderr.write(`SKIPPED: what is tested with PgBouncer: needs ${missing}\n`);
  return false;
}

/** From PATH or where Debian puts it. */
function binaryOf({ PGBOUNCER_BIN, PATH = '' }: NodeJS.ProcessEnv): string | undefined {
  if (PGBOUNCER_BIN) return PGBOUNCER_BIN;
  const dirs = [...PATH.split(delimiter).filter((dir) => dir !== ''), '/usr/sbin'];
  return dirs.map((dir) => join(dir, 'pgbouncer')).find((file) => isExecutable(file));
}

/** Starts a PgBouncer and resolves when it takes connections. */
export async function startPgBouncer({ postgres, poolMode, ...options }: PgBouncerOptions): Promise<PgBouncer> {
  const binary = binaryOf(process.env);
  if (binary === undefined) throw new Error('There is no pgbouncer. Install it, or set PGBOUNCER_BIN to its path.');
  const port = options.port ?? (await freePort());
  // It refuses to run as root, as PostgreSQL does.
  const { identity } = await postgresBinaries();
  const dir = temporaryDir(identity);
  const file = join(dir, 'pgbouncer.ini');
  writeFileSync(
    file,
    `[databases]
* = host=127.0.0.1 port=${postgres} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = ${poolMode}
default_pool_size = 60
`,
  );
  if (identity) chownSync(file, identity.uid, identity.gid);
  const server = ServerProcess.launch({
    name: 'PgBouncer',
    command: binary,
    args: [file],
    logFile: join(dir, 'pgbouncer.log'),
    cwd: '/',
    orphanSignal: 'SIGTERM',
    disposableDir: dir,
    ...(identity && { identity }),
  });
  await server.ready(() => answers(port), 20_000);
  return {
    port,
    url: (database) => `postgresql://postgres@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    async [Symbol.asyncDispose]() {
      // SIGTERM drops all connections at once; SIGINT would wait for them.
      await server.stop('SIGTERM');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function answers(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
