import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type NatsOptions, natsServerBinary, ServerProcess } from '@pavane/testing/servers';
import { env } from './command.js';
import type { Network } from './network.js';

const HEALTHY_WITHIN_MS = 30_000;

/** Three nats-servers, each in a room of its own, that keep three copies of everything, as the chart installs them. */
export class NatsCluster {
  readonly members: readonly Member[];
  /** All members, joined by commas. */
  readonly url: string;

  private constructor(binary: string, dir: string, network: Network, config: string) {
    this.members = network.rooms.map((room) => new Member(binary, join(dir, `n${room}`), network, room, config));
    this.url = this.members.map(({ url }) => url).join(',');
  }

  /** Resolves when all of them are healthy. */
  static async start(network: Network, { dir, config = '', onProgress }: NatsOptions): Promise<NatsCluster> {
    const cluster = new NatsCluster(await natsServerBinary({ onProgress }), dir!, network, config);
    try {
      for (const member of cluster.members) member.start();
      await cluster.healthy();
    } catch (error) {
      await cluster.stop('SIGKILL');
      throw error;
    }
    return cluster;
  }

  /** Resolves when every member says that it has caught up with everything; rejects after 30 s. */
  async healthy(): Promise<void> {
    await Promise.all(this.members.map((member) => member.healthy()));
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop(signal)));
  }

  async restart(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    await this.stop(signal);
    for (const member of this.members) member.start();
    await this.healthy();
  }

  async pause(): Promise<void> {
    await Promise.all(this.members.map((member) => member.pause()));
  }

  resume(): void {
    for (const member of this.members) member.resume();
  }
}

/** One nats-server of a cluster. */
export class Member {
  /** As streams tell their leader and replicas. */
  readonly name: string;
  readonly url: string;
  readonly #host: string;
  #process: ServerProcess | undefined;

  constructor(
    private readonly binary: string,
    private readonly dir: string,
    private readonly network: Network,
    private readonly room: number,
    private readonly config: string,
  ) {
    this.name = `n${room}`;
    this.#host = network.address(room);
    this.url = `nats://${this.#host}:4222`;
  }

  /** Starts it; it may take a while until it is healthy. */
  start(): void {
    mkdirSync(this.dir, { recursive: true });
    const config = join(this.dir, 'nats-server.conf');
    writeFileSync(config, this.#config());
    const [command, ...args] = this.network.inside(this.room, this.binary, '-c', config);
    this.#process = ServerProcess.launch({
      name: `nats-server ${this.name}`,
      command: command!,
      args,
      env,
      cwd: this.dir,
      logFile: join(this.dir, 'nats-server.log'),
      orphanSignal: 'SIGTERM',
    });
  }

  async healthy(): Promise<void> {
    await this.#process!.ready(async () => {
      const health = await fetch(`http://${this.#host}:8222/healthz`, { signal: AbortSignal.timeout(1000) });
      const said = await health.text();
      if (!health.ok) throw new Error(said);
    }, HEALTHY_WITHIN_MS);
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    await this.#process?.stop(signal);
  }

  async pause(): Promise<void> {
    await this.#process?.pause();
  }

  resume(): void {
    this.#process?.resume();
  }

  /** Cuts it off from the other members and from all clients: what is sent either way vanishes. */
  unplug(): Promise<void> {
    return this.network.unplug(this.room);
  }

  plugIn(): Promise<void> {
    return this.network.plugIn(this.room);
  }

  #config(): string {
    const routes = this.network.rooms.map((room) => `nats://${this.network.address(room)}:6222`);
    return `${this.config}server_name: ${this.name}
listen: "${this.#host}:4222"
http: "${this.#host}:8222"
jetstream { store_dir: "${this.dir}", max_file_store: 10GB, sync_interval: always }
cluster { name: pavane, listen: "${this.#host}:6222", routes: [${routes.map((route) => `"${route}"`).join(', ')}] }
`;
  }
}
