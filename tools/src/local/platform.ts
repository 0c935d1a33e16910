import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { DEFAULT_STORE, type Service, simulators, topology, trialVariables } from '@pavane/contracts';
import { apply } from '@pavane/jetstream/provisioning';
import {
  type NatsOptions,
  type NatsServer,
  type PostgresServer,
  startNats,
  startPostgres,
} from '@pavane/testing/servers';
import { localAuthorization } from '../keys/emit.js';
import { KeyRing } from '../keys/ring.js';
import { requireFree } from './ports.js';
import { migrateAll } from './migrations.js';
import { Child } from './child.js';
import { Revival } from './revival.js';
import { type Addresses, localAddresses, type PortName, ROOT, SERVICES, type Settings } from './settings.js';

/** Told what is being done, and when it is done. */
export type Progress = <T>(what: string, work: () => Promise<T>) => Promise<T>;
const silent: Progress = (_, work) => work();

/** What the platform needs of its broker: one nats-server, or several with their URLs joined by commas. */
export type Broker = Pick<NatsServer, 'url' | 'stop' | 'restart' | 'pause' | 'resume'>;

export interface PlatformOptions {
  /** Throws away what an earlier platform in the same directory kept. */
  fresh?: boolean;
  progress?: Progress;
  /** Loads the crash injector into every service; see `@pavane/testing/crash`. */
  injectable?: boolean;
  /** Starts another broker than one nats-server beside the services. */
  broker?: (options: NatsOptions) => Promise<Broker>;
  /** Copies of every stream; 1 unless the broker is a cluster. */
  replicas?: 1 | 3;
  /** Runs these instead of a service's own entry module. */
  entries?: Partial<Record<Service, string>>;
  /** Told when a process died and is started again. */
  onDeath?: (name: string, how: string) => void;
}

/** The whole platform on this machine: every server and every service a process of its own. */
export class LocalPlatform {
  readonly addresses: Addresses;
  readonly services = new Map<Service, Child>();
  /** Instances beside the first of their service, by name (`order-2`). */
  readonly instances = new Map<string, Child>();
  nats!: Broker;
  postgres!: PostgresServer;
  provider!: Child;
  mail!: Child;
  /** What plays the outside beside them, by name. */
  readonly simulators = new Map<string, Child>();
  /** What the payment provider signs its notices with. */
  readonly webhookSecret = randomBytes(24).toString('hex');
  #keys!: KeyRing;
  readonly #natsRevival: Revival;
  readonly #postgresRevival: Revival;

  private constructor(
    readonly settings: Settings,
    private readonly options: PlatformOptions,
  ) {
    this.addresses = localAddresses(settings.ports);
    this.#natsRevival = new Revival('nats-server', () => this.nats, options.onDeath);
    this.#postgresRevival = new Revival('PostgreSQL', () => this.postgres, options.onDeath);
  }

  /** Starts everything, in the order it is needed, and resolves when every service is ready. */
  static async start(settings: Settings, options: PlatformOptions = {}): Promise<LocalPlatform> {
    const platform = new LocalPlatform(settings, options);
    try {
      await platform.#start(options.progress ?? silent);
    } catch (error) {
      await platform.stop();
      throw error;
    }
    return platform;
  }

  async #start(progress: Progress): Promise<void> {
    const { dir, ports } = this.settings;
    await requireFree(ports);
    if (this.options.fresh) rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir, { recursive: true });
    this.#keys = KeyRing.open(join(dir, 'keys'));
    await progress('nats-server and PostgreSQL', async () => {
      const [nats, postgres] = await Promise.allSettled([
        (this.options.broker ?? natsWithStore)({
          port: ports.nats,
          monitorPort: ports.monitor,
          dir: join(dir, 'nats'),
          config: localAuthorization(this.#keys),
          onDeath: this.#natsRevival.died,
        }),
        startPostgres({
          port: ports.postgres,
          dir: join(dir, 'postgres'),
          databases: SERVICES,
          onDeath: this.#postgresRevival.died,
        }),
      ]);
      // Kept before either's failure is told, so that the other is stopped.
      if (nats.status === 'fulfilled') this.nats = nats.value;
      if (postgres.status === 'fulfilled') this.postgres = postgres.value;
      for (const result of [nats, postgres]) if (result.status === 'rejected') throw result.reason;
      this.addresses.nats = this.nats.url;
    });
    await progress('streams, consumers and database migrations', async () => {
      // Both to their end before a failure is told: it stops the servers that they work on.
      const settled = await Promise.allSettled([
        this.provision(),
        migrateAll(this.addresses.databases, { seed: true }),
      ]);
      for (const result of settled) if (result.status === 'rejected') throw result.reason;
    });
    await progress(['payment provider', 'mail sink', ...simulators.map(({ name }) => name)].join(', '), async () => {
      this.provider = this.#tool('provider', `http://127.0.0.1:${ports.provider}/health`, {
        PORT: `${ports.provider}`,
        SLOW_CHARGE_MS: `${this.settings.slowChargeMs}`,
        STATE_FILE: join(dir, 'provider.journal'),
        WEBHOOK_URL: `http://127.0.0.1:${ports.payment}/webhooks/payments`,
        WEBHOOK_SECRET: this.webhookSecret,
      });
      this.mail = this.#tool('mail-sink', `${this.addresses.mail}/health`, {
        SMTP_PORT: `${ports.smtp}`,
        PORT: `${ports.mail}`,
        STATE_FILE: join(dir, 'mail.journal'),
      });
      for (const { name, service } of simulators) {
        const port = ports[name as PortName];
        const entry = join(ROOT, 'apps', service, 'dist/simulators', `${name}.js`);
        this.simulators.set(name, this.#tool(name, `http://127.0.0.1:${port}/health`, { PORT: `${port}` }, entry));
      }
      await Promise.all([this.provider, this.mail, ...this.simulators.values()].map((child) => child.start()));
    });
    await progress(`the services: ${SERVICES.join(', ')}`, async () => {
      for (const service of SERVICES) this.services.set(service, this.serviceProcess(service));
      await Promise.all([...this.services.values()].map((child) => child.start()));
    });
  }

  /** Creates or updates streams, consumers and buckets. */
  async provision(): Promise<void> {
    const nc = await connect({ servers: this.addresses.nats.split(',') });
    try {
      await apply(nc, topology({ replicas: this.options.replicas ?? 1 }));
    } finally {
      await nc.close();
    }
  }

  /** A process of a service, not yet started; a second one of the same service takes another port. */
  serviceProcess(service: Service, port = this.settings.ports[service], name: string = service): Child {
    const { dir, ports, orderDeadline } = this.settings;
    const env: Partial<Record<Service, Record<string, string>>> = {
      order: { ORDER_DEADLINE: orderDeadline },
      payment: { PROVIDER_WEBHOOK_SECRET: this.webhookSecret },
    };
    return new Child({
      name,
      args: [
        // As in the Dockerfile. The default young generation is four times as large, which shows as 20 MB a process at rest.
        '--max-semi-space-size=4',
        ...['--import', '@pavane/service/register', '--import', '@pavane/telemetry/register'],
        ...(this.options.injectable ? ['--import', '@pavane/testing/crash'] : []),
        this.options.entries?.[service] ?? 'dist/main.js',
      ],
      cwd: join(ROOT, 'apps', service),
      logFile: join(dir, 'logs', `${name}.log`),
      readyUrl: `http://127.0.0.1:${port}/health/ready`,
      env: {
        PORT: `${port}`,
        HOST: '127.0.0.1',
        // As in the Dockerfile. An arena a thread keeps some 3 MB more a process at rest.
        MALLOC_ARENA_MAX: '1',
        NATS_URL: this.addresses.nats,
        NATS_NKEY_FILE: this.#keys.file(service),
        DATABASE_URL: this.addresses.databases[service],
        OTEL_SERVICE_NAME: service,
        ...exporting(),
        ...trialVariables(service, (simulator) => `127.0.0.1:${ports[simulator as PortName]}`),
        ...env[service],
        ...this.settings.env[service],
      },
      ...(this.options.onDeath && { onDeath: this.options.onDeath }),
    });
  }

  /** Starts one more instance of a service, on a port of its own, and resolves when it is ready. */
  async addInstance(service: Service, port: number): Promise<Child> {
    const nth = [...this.instances.keys()].filter((name) => name.startsWith(`${service}-`)).length + 2;
    const child = this.serviceProcess(service, port, `${service}-${nth}`);
    this.instances.set(child.options.name, child);
    await child.start();
    return child;
  }

  /** What the broker has refused a service, by the services' own logs: a permission that one of them lacks. */
  refusals(): string[] {
    const children = [...this.services.values(), ...this.instances.values()];
    return children.flatMap(({ options: { name, logFile } }) =>
      readFileSync(logFile, 'utf8')
        .split('\n')
        .filter((line) => /permissions violation/i.test(line))
        .map((line) => `${name} was refused by the broker: ${line}`),
    );
  }

  /** Drains the services, then stops the servers. Resolves to the exit code of every service process, by its name. */
  async stop(progress: Progress = silent): Promise<Record<string, number | null>> {
    const processes = [...this.services, ...this.instances];
    const codes = await progress('services drain', async () =>
      Object.fromEntries(
        await Promise.all(processes.map(async ([name, child]) => [name, await child.stop()] as const)),
      ),
    );
    await progress('servers stop', async () => {
      await Promise.all([this.#natsRevival.end(), this.#postgresRevival.end()]);
      await Promise.all([this.provider, this.mail, ...this.simulators.values()].map((child) => child?.stop()));
      await Promise.all([this.nats?.stop(), this.postgres?.stop()]);
    });
    return codes;
  }

  #tool(
    name: string,
    readyUrl: string,
    env: Record<string, string>,
    entry = join(ROOT, 'tools/dist', name, 'main.js'),
  ): Child {
    return new Child({
      name,
      args: [entry],
      cwd: ROOT,
      logFile: join(this.settings.dir, 'logs', `${name}.log`),
      readyUrl,
      env: { HOST: '127.0.0.1', ...env },
      ...(this.options.onDeath && { onDeath: this.options.onDeath }),
    });
  }
}

/** By itself nats-server takes three quarters of what the disk has free, which may be less than the streams reserve. */
const natsWithStore = (options: NatsOptions): Promise<NatsServer> =>
  startNats({ ...options, config: `${options.config ?? ''}jetstream { max_file_store: ${DEFAULT_STORE} }\n` });

/** The variables of OpenTelemetry that were set for us are meant for the services. */
const exporting = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[0].startsWith('OTEL_EXPORTER_')),
  );
