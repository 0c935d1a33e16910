import { accessSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { freePort, ServerProcess, startNats } from '@pavane/testing/servers';

const READY_WITHIN_MS = 60_000;
const STOPPED_WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 50;

/** A message broker on this machine that belongs to one turn. */
export interface Broker extends AsyncDisposable {
  readonly kind: 'nats' | 'redis' | 'rabbitmq';
  readonly url: string;
  readonly pid: number;
}

/** What a broker is started with; nats-server is found or fetched, the others have to be installed. */
const PROGRAMS = { redis: 'redis-server', rabbitmq: 'rabbitmq-server' } as const;

/** The program that is missing from `PATH` for a broker of this kind, or undefined. */
export function missingProgram(kind: Broker['kind']): string | undefined {
  return kind === 'nats' || isInPath(PROGRAMS[kind]) ? undefined : PROGRAMS[kind];
}

/** Starts a broker with nothing in it. */
export async function startBroker(kind: Broker['kind']): Promise<Broker> {
  if (kind === 'redis') return startRedis();
  if (kind === 'rabbitmq') return startRabbitMq();
  const nats = await startNats();
  return { kind, url: nats.url, pid: nats.pid, [Symbol.asyncDispose]: () => nats[Symbol.asyncDispose]() };
}

async function startRedis(): Promise<Broker> {
  const [port, dir] = [await freePort(), mkdtempSync(join(tmpdir(), 'pavane-broker-'))];
  const args = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', dir, '--save', ''];
  const server = launch(PROGRAMS.redis, args, dir);
  return started('redis', `redis://127.0.0.1:${port}`, dir, [server], () => answers(port, 'PING\r\n'));
}

/** What packages put into the PATH changes to another user and session, where no signal of ours arrives. */
const UNWRAPPED_RABBITMQ = '/usr/lib/rabbitmq/bin/rabbitmq-server';

async function startRabbitMq(): Promise<Broker> {
  const [port, distPort, epmdPort, dir] = [
    await freePort(),
    await freePort(),
    await freePort(),
    mkdtempSync(join(tmpdir(), 'pavane-broker-')),
  ];
  const server = launch(existsSync(UNWRAPPED_RABBITMQ) ? UNWRAPPED_RABBITMQ : PROGRAMS.rabbitmq, [], dir, {
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: `${epmdPort}`,
    HOME: dir,
    RABBITMQ_NODENAME: `bench-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: `${port}`,
    RABBITMQ_DIST_PORT: `${distPort}`,
    RABBITMQ_MNESIA_BASE: dir,
    RABBITMQ_LOGS: '-',
    RABBITMQ_ENABLED_PLUGINS_FILE: join(dir, 'enabled_plugins'),
  });
  // The Erlang VM would start its name server itself, and leave it running.
  const names = launch('epmd', ['-address', '127.0.0.1', '-port', `${epmdPort}`], dir);
  const url = `amqp://127.0.0.1:${port}`;
  return started('rabbitmq', url, dir, [server, names], () => answers(port, 'AMQP\0\0\x09\x01'));
}

function launch(command: string, args: string[], dir: string, env: Record<string, string> = {}): ServerProcess {
  return ServerProcess.launch({
    name: command,
    command,
    args,
    logFile: join(dir, `${basename(command)}.log`),
    cwd: dir,
    env: { ...process.env, ...env },
    orphanSignal: 'SIGTERM',
    disposableDir: dir,
  });
}

/** Resolves when the first of the servers is ready. */
async function started(
  kind: Broker['kind'],
  url: string,
  dir: string,
  servers: [ServerProcess, ...ServerProcess[]],
  probe: () => Promise<void>,
): Promise<Broker> {
  const dispose = async () => {
    for (const server of servers) await endGroup(server);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    await servers[0].ready(probe, READY_WITHIN_MS);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { kind, url, pid: servers[0].pid, [Symbol.asyncDispose]: dispose };
}

/** With all that it has started: the script that starts RabbitMQ does not pass every signal on. */
async function endGroup(server: ServerProcess): Promise<void> {
  const signal = (name: NodeJS.Signals | 0): boolean => {
    try {
      return process.kill(-server.pid, name);
    } catch {
      return false;
    }
  };
  signal('SIGTERM');
  await server.stop('SIGTERM');
  const until = performance.now() + STOPPED_WITHIN_MS;
  while (signal(0) && performance.now() < until) await setTimeout(LOOK_EVERY_MS);
  signal('SIGKILL');
}

/** Resolves when the server says something to what it is told. */
function answers(port: number, told: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 1_000 }, () => socket.write(told, 'latin1'));
    socket.once('data', () => {
      socket.destroy();
      resolve();
    });
    socket.once('timeout', () => socket.destroy(new Error(`nothing was said on port ${port} within 1 s`)));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`the connection to port ${port} was closed`)));
  });
}

function isInPath(program: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((dir) => dir !== '')
    .some((dir) => {
      try {
        accessSync(join(dir, program), constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}
