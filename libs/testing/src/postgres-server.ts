import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, escapeIdentifier, type QueryResult } from 'pg';
import { messageOf } from './errors.js';
import { freePort, isFree, PortBusy } from './ports.js';
import { type PostgresBinaries, postgresBinaries } from './postgres-binaries.js';
import { environment, initialise } from './postgres-cluster.js';
import { persistentDir, temporaryDir } from './postgres-dir.js';
import { awaitNoOwner } from './processes.js';
import { ServerFailed, ServerProcess } from './server-process.js';

export interface PostgresOptions {
  /** Port on 127.0.0.1. Default: a free one. */
  port?: number;
  /** Where the data is kept, for good. Default: a temporary directory that goes when the server is disposed. */
  dir?: string;
  /** Databases to create when they do not exist. */
  databases?: readonly string[];
  /** Password of the user `postgres`, set when the data directory is made. Default: none is asked for on loopback. */
  password?: string;
  /**
   * Whether commits survive a power failure. Default: true when `dir` is given, which then cannot be changed, else
   * false. Commits survive a killed server in both cases.
   */
  durable?: boolean;
  /** Further settings of the server, e.g. `{ max_connections: '50' }`. */
  settings?: Readonly<Record<string, string>>;
  /** Told how the server ended, when it was ready and nobody had asked it to end. */
  onDeath?: ((how: string) => void) | undefined;
  /** How long the server may take to be ready, in milliseconds. Default 30 000. */
  readyWithinMs?: number;
}

/** A PostgreSQL 18 that listens on loopback only and does not outlive this process. */
export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** Where the data really is; not always below the `dir` asked for, see there. */
  readonly dir: string;
  readonly logFile: string;
  /** Of the running server, or of the last one that ran. */
  readonly pid: number;
  readonly running: boolean;
  /** Resolves with how it ended, when the server now running ends for whatever reason. */
  readonly exited: Promise<string>;
  /** Connection string of a database, as user `postgres`. Default: database `postgres`. */
  url(database?: string): string;
  /** Creates a database, as a copy of the template if one is named, and resolves to its connection string. */
  createDatabase(name: string, options?: { template?: string }): Promise<string>;
  /** Resolves when the process is gone. Default SIGINT, which disconnects clients and ends in order. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Starts again on the same port and data; stops it first, by the signal, when it runs. */
  restart(signal?: NodeJS.Signals): Promise<void>;
}

/** Starts PostgreSQL (initialising its directory when it is new) and resolves when it answers queries. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  if (options.dir !== undefined && options.durable === false)
    throw new TypeError(
      'startPostgres: `durable: false` is for disposable servers, not for data in a `dir` that stays',
    );
  const binaries = await postgresBinaries();
  for (let attempt = 1; ; attempt++) {
    const server = new LocalPostgres(binaries, options.port ?? (await freePort()), options);
    try {
      await server.start();
      for (const name of options.databases ?? []) await server.ensureDatabase(name);
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      const collided = error instanceof PortBusy || /Address already in use/.test(messageOf(error));
      // A free port was taken between the look and the start: nobody asked for that one, so take another.
      if (options.port !== undefined || !collided || attempt === 5) throw error;
    }
  }
}

class LocalPostgres implements PostgresServer {
  readonly dir: string;
  readonly logFile: string;
  private readonly readyWithinMs: number;
  private readonly data: string;
  private readonly disposable: boolean;
  private process: ServerProcess | undefined;

  constructor(
    private readonly binaries: PostgresBinaries,
    readonly port: number,
    private readonly options: PostgresOptions,
  ) {
    const { dir } = options;
    this.disposable = dir === undefined;
    this.dir = dir === undefined ? temporaryDir(binaries.identity) : persistentDir(dir, binaries.identity);
    this.data = join(this.dir, 'data');
    this.readyWithinMs = options.readyWithinMs ?? 30_000;
    this.logFile = join(this.dir, 'postgres.log');
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

  url(database = 'postgres'): string {
    const { password } = this.options;
    const credentials = password === undefined ? 'postgres' : `postgres:${encodeURIComponent(password)}`;
    return `postgres://${credentials}@127.0.0.1:${this.port}/${encodeURIComponent(database)}`;
  }

  async start(): Promise<void> {
    // The server of a process that was killed may still be stopping.
    const pidFile = join(this.data, 'postmaster.pid');
    const owner = await awaitNoOwner(pidFile, this.data, this.readyWithinMs);
    if (owner !== undefined)
      throw new ServerFailed(`PostgreSQL ${owner} already runs on ${this.dir}. Stop it, or choose another directory.`);
    if (!(await isFree(this.port))) throw new PortBusy('PostgreSQL', this.port);
    if (!existsSync(join(this.data, 'PG_VERSION')))
      await initialise(this.binaries, this.data, { password: this.options.password, synced: !this.disposable });
    // Nobody runs on this data; the id in a file left by a kill may belong to an unrelated process by now, and
    // PostgreSQL would refuse to start for as long as that one lives.
    rmSync(pidFile, { force: true });
    await this.launch();
  }

  private async launch(): Promise<void> {
    const deadline = performance.now() + this.readyWithinMs;
    for (;;) {
      this.process = ServerProcess.launch({
        name: 'PostgreSQL',
        command: this.binaries.postgres,
        args: ['-D', this.data, ...this.settings().flatMap(([name, value]) => ['-c', `${name}=${value}`])],
        logFile: this.logFile,
        cwd: '/',
        env: environment(),
        orphanSignal: 'SIGINT',
        onDeath: this.options.onDeath,
        ...(this.binaries.identity && { identity: this.binaries.identity }),
        ...(this.disposable && { disposableDir: this.dir }),
      });
      try {
        await this.process.ready(() => this.query('select 1').then(() => undefined), deadline - performance.now());
        return;
      } catch (error) {
        // Sessions of a killed server may take a moment to notice, and hold its shared memory until they do.
        const held = /pre-existing shared memory block/.test(messageOf(error));
        if (!held || performance.now() > deadline) throw error;
        await pause(50);
      }
    }
  }

  async createDatabase(name: string, { template }: { template?: string } = {}): Promise<string> {
    const copied = template === undefined ? '' : ` template ${escapeIdentifier(template)}`;
    await this.query(`create database ${escapeIdentifier(name)}${copied}`);
    return this.url(name);
  }

  async ensureDatabase(name: string): Promise<void> {
    const { rowCount } = await this.query('select from pg_database where datname = $1', [name]);
    if (rowCount === 0) await this.createDatabase(name);
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    await this.process?.stop(signal);
  }

  async restart(signal: NodeJS.Signals = 'SIGINT'): Promise<void> {
    await this.stop(signal);
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // SIGQUIT drops all sessions at once and writes nothing more, which is all that a disposable server needs.
    await this.stop(this.disposable ? 'SIGQUIT' : 'SIGINT');
    if (this.disposable) rmSync(this.dir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  private settings(): [string, string][] {
    const durable = this.options.durable ?? !this.disposable;
    return Object.entries({
      listen_addresses: '127.0.0.1',
      port: String(this.port),
      unix_socket_directories: '',
      max_connections: '200',
      shared_buffers: '64MB',
      timezone: 'UTC',
      ...(!durable && { fsync: 'off', full_page_writes: 'off' }),
      ...this.options.settings,
    });
  }

  private async query(text: string, values: unknown[] = []): Promise<QueryResult> {
    const client = new Client({ connectionString: this.url(), connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined); // a server that ends meanwhile is reported by the query itself
    try {
      await client.connect();
      return await client.query(text, values);
    } finally {
      await client.end();
    }
  }
}
