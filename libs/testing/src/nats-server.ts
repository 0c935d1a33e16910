import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { messageOf } from './errors.js';
import { natsServerBinary } from './nats-binary.js';
import { freePort, isFree, PortBusy } from './ports.js';
import { awaitNoOwner } from './processes.js';
import { ServerFailed, ServerProcess } from './server-process.js';

export interface NatsOptions {
  /** Client port on 127.0.0.1. Default: a free one. */
  port?: number;
  /** Port of the monitoring endpoints. Default: a free one. */
  monitorPort?: number;
  /** Where streams are kept, for good. Default: a temporary directory that goes when the server is disposed. */
  dir?: string;
  /** Further configuration, in the server's own syntax. */
  config?: string;
  /** Keeps the temporary directory after disposal, to look into. */
  keep?: boolean;
  /** Told how the server ended, when it was ready and nobody had asked it to end. */
  onDeath?: ((how: string) => void) | undefined;
  /** How long the server may take to be ready, in milliseconds. Default 20 000. */
  readyWithinMs?: number;
  /** Told when a nats-server has to be downloaded. */
  onProgress?: (line: string) => void;
}

/** A nats-server with JetStream that listens on loopback only and does not outlive this process. */
export interface NatsServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly monitorUrl: string;
  readonly dir: string;
  readonly logFile: string;
  /** Of the running server, or of the last one that ran. */
  readonly pid: number;
  readonly running: boolean;
  /** Resolves with how it ended, when the server now running ends for whatever reason. */
  readonly exited: Promise<string>;
  /** Resolves when the process is gone. Default SIGTERM. What was stored stays, for `restart`. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts again on the same ports and directory; stops it first, by the signal, when it runs. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  /** Freezes the process: connections stay open and, from when this resolves, nothing is answered. */
  pause(): Promise<void>;
  resume(): void;
}

/** Starts a nats-server and resolves when it takes connections and JetStream is up. */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const binary = await natsServerBinary({ onProgress: options.onProgress });
  const chosen = options.port !== undefined || options.monitorPort !== undefined;
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const monitorPort = options.monitorPort ?? (await freePort());
    const server = new LocalNats(binary, port, monitorPort, options);
    try {
      await server.start();
      return server;
    } catch (error) {
      server.discard();
      // A free port was taken between the look and the start: nobody asked for that one, so take another.
      const collided = error instanceof PortBusy || /address already in use/.test(messageOf(error));
      if (chosen || !collided || attempt === 5) throw error;
    }
  }
}

class LocalNats implements NatsServer {
  readonly url: string;
  readonly monitorUrl: string;
  readonly dir: string;
  readonly logFile: string;
  private readonly readyWithinMs: number;
  private readonly disposable: boolean;
  private process: ServerProcess | undefined;

  constructor(
    private readonly binary: string,
    readonly port: number,
    private readonly monitorPort: number,
    private readonly options: NatsOptions,
  ) {
    this.url = `nats://127.0.0.1:${port}`;
    this.monitorUrl = `http://127.0.0.1:${monitorPort}`;
    this.disposable = options.dir === undefined;
    this.dir = options.dir === undefined ? mkdtempSync(join(tmpdir(), 'pavane-nats-')) : resolve(options.dir);
    this.readyWithinMs = options.readyWithinMs ?? 20_000;
    this.logFile = join(this.dir, 'nats-server.log');
  }

  get pid(): number {
    return this.process?.pid ?? -1;
  }

  get running(): boolean {
    return this.process?.running ?? false;
  }

  get exited(): Promise<string> {
    return this.process?.exited ?? Promise.resolve('was never started');
  }

  async start(): Promise<void> {
    mkdirSync(this.dir, { recursive: true });
    const pidFile = join(this.dir, 'nats-server.pid');
    // The server of a process that was killed may still be stopping. nats-server itself does not notice a second
    // server on the same store, which would destroy it.
    const owner = await awaitNoOwner(pidFile, pidFile, this.readyWithinMs);
    if (owner !== undefined)
      throw new ServerFailed(`nats-server ${owner} already runs on ${this.dir}. Stop it, or choose another directory.`);
    for (const port of [this.port, this.monitorPort])
      if (!(await isFree(port))) throw new PortBusy('nats-server', port);
    const args = ['-a', '127.0.0.1', '-p', `${this.port}`, '-m', `${this.monitorPort}`];
    args.push('-js', '-sd', this.dir, '-P', pidFile);
    if (this.options.config !== undefined) {
      const file = join(this.dir, 'nats-server.conf');
      writeFileSync(file, this.options.config);
      args.push('-c', file);
    }
    this.process = ServerProcess.launch({
      name: 'nats-server',
      command: this.binary,
      args,
      logFile: this.logFile,
      cwd: this.dir,
      orphanSignal: 'SIGTERM',
      onDeath: this.options.onDeath,
      ...(this.disposable && !this.options.keep && { disposableDir: this.dir }),
    });
    await this.process.ready(() => this.probe(), this.readyWithinMs);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.process?.stop(signal);
  }

  async restart(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.stop(signal);
    await this.start();
  }

  async pause(): Promise<void> {
    await this.process?.pause();
  }

  resume(): void {
    this.process?.resume();
  }

  discard(): void {
    if (this.disposable && !this.options.keep) rmSync(this.dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(this.disposable && !this.options.keep ? 'SIGKILL' : 'SIGTERM');
    this.discard();
  }

  // The health endpoint needs no credentials, whatever the configuration, and covers JetStream.
  private async probe(): Promise<void> {
    const health = await fetch(`${this.monitorUrl}/healthz`, { signal: AbortSignal.timeout(1_000) });
    await health.body?.cancel();
    if (!health.ok) throw new Error(`${health.url} answered ${health.status}`);
    await greeted(this.port);
  }
}

/** Resolves when the server sends the first line of its protocol. */
function greeted(port: number): Promise<void> {
  return new Promise((done, fail) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 1_000 });
    socket.once('data', () => {
      socket.destroy();
      done();
    });
    socket.once('timeout', () => socket.destroy(new Error(`nothing was said on port ${port} within 1 s`)));
    socket.once('error', fail);
    socket.once('close', () => fail(new Error(`the connection to port ${port} was closed before a greeting`)));
  });
}
