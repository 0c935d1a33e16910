import { randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { flags, type Service } from '@pavane/contracts';
import { setFlag } from '@pavane/flags';
import { eventually, freePort } from '@pavane/testing';
import { type NatsServer, startNats } from '@pavane/testing/servers';
import {
  type Audit,
  audit,
  type AuditOptions,
  type Child,
  freePorts,
  LocalPlatform,
  type Settings,
} from '@pavane/tools';
import { Client } from 'pg';
import { Broker } from './broker.js';
import { type Answer, HttpClient, type Order, type OrderBody } from './http.js';

export interface PlatformOptions extends Partial<Pick<Settings, 'orderDeadline' | 'slowChargeMs' | 'env' | 'ports'>> {
  /** Whether a service that died unasked may do so; otherwise the suite fails when it stops. */
  deathsExpected?: boolean;
  /** Runs these instead of a service's own entry module, from the next instance on that is added. */
  entries?: Partial<Record<Service, string>>;
}

/** A whole platform of a suite's own: real processes on free ports, in a directory that goes with it. */
export class Platform implements AsyncDisposable {
  readonly http: HttpClient;
  readonly broker: Broker;
  #nc: NatsConnection | undefined;

  private constructor(
    readonly local: LocalPlatform,
    readonly nats: NatsServer,
    readonly dir: string,
    private readonly options: PlatformOptions,
    /** Service processes that died unasked, and how. */
    readonly deaths: readonly string[],
  ) {
    this.http = new HttpClient(local.addresses.http.order);
    this.broker = new Broker(
      () => this.nc(),
      () => this.jsm(),
    );
  }

  static async start(options: PlatformOptions = {}): Promise<Platform> {
    const dir = mkdtempSync(join(tmpdir(), 'pavane-e2e-'));
    // PostgreSQL may run under an account of its own, which has to get in.
    chmodSync(dir, 0o755);
    const deaths: string[] = [];
    const settings: Settings = {
      dir,
      ports: options.ports ?? (await freePorts()),
      orderDeadline: options.orderDeadline ?? '60s',
      slowChargeMs: options.slowChargeMs ?? 1500,
      env: options.env ?? {},
    };
    // A platform that does not start keeps its directory: the error says which log to read.
    let nats: NatsServer | undefined;
    const local = await LocalPlatform.start(settings, {
      onDeath: (name, how) => deaths.push(`${name} (${how})`),
      broker: async (asked) => (nats = await startNats(asked)),
      ...(options.entries && { entries: options.entries }),
    });
    return new Platform(local, nats!, dir, options, deaths);
  }

  /**
   * Stops everything; rejects when a service died unasked, did not drain to exit code 0, or was refused something by the
   * broker. Logs stay on a rejection.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#nc?.close().catch(() => undefined);
    const codes = Object.entries(await this.local.stop());
    const unclean = codes.filter(([, code]) => code !== 0).map(([name, code]) => `${name} ended with ${code}`);
    const wrong = [...unclean, ...(this.options.deathsExpected ? [] : this.deaths), ...this.local.refusals()];
    if (wrong.length > 0) throw new Error(`${wrong.join('; ')}; logs are in ${join(this.dir, 'logs')}`);
    rmSync(this.dir, { recursive: true, force: true });
  }

  service(name: Service): Child {
    return this.local.services.get(name)!;
  }

  async addInstance(service: Service): Promise<{ child: Child; url: string }> {
    const port = await freePort();
    return { child: await this.local.addInstance(service, port), url: `http://127.0.0.1:${port}` };
  }

  /** Places an order; what is not said is one cup, paid by a good card. */
  place(order: Partial<OrderBody> = {}): Promise<Order> {
    return this.http.place(order);
  }

  /** The order once it has ended and every one of these events is in its history. */
  ended(id: string, events: readonly string[] = [], withinMs = 15_000): Promise<Order> {
    return eventually(
      async () => {
        const order = await this.http.read(id);
        const missing = events.filter((event) => !order.history.some((entry) => entry.event === event));
        if (order.status === 'pending' || missing.length > 0)
          throw new Error(`it is ${order.status} with ${eventsOf(order).join(', ')}; missing ${missing.join(', ')}`);
        return order;
      },
      { withinMs, everyMs: 50, what: `the end of order ${id}` },
    );
  }

  /** Waits until the platform is at rest and every invariant holds; rejects with those that do not. */
  async holds(expected: AuditOptions = {}): Promise<Audit> {
    const verdict = await audit(this.local.addresses, { withinMs: 30_000, ...expected });
    const broken = verdict.invariants.filter(({ holds }) => !holds);
    if (broken.length > 0)
      throw new Error(
        `not every invariant holds:\n${broken.map(({ name, detail }) => `  ${name}: ${detail}`).join('\n')}`,
      );
    return verdict;
  }

  async sql<Row>(service: Service, text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new Client({ connectionString: this.local.addresses.databases[service] });
    await client.connect();
    try {
      return (await client.query(text, values)).rows as Row[];
    } finally {
      await client.end();
    }
  }

  /** How many rows a table of a service has, or a part of it: `table WHERE …`. */
  async count(service: Service, table: string): Promise<number> {
    const [row] = await this.sql<{ n: number }>(service, `SELECT count(*)::int AS n FROM ${table}`);
    return row!.n;
  }

  /** What the payment provider knows of an order's charge; `undefined` when it never heard of it. */
  async charge(orderId: string): Promise<Charge | undefined> {
    const response = await fetch(`${this.local.addresses.provider}/charges/${orderId}`);
    return response.ok ? ((await response.json()) as Charge) : undefined;
  }

  /** How often the mail sink took each mail about an order, by outcome. */
  async mails(orderId: string): Promise<Record<string, number>> {
    const counts = (await (await fetch(`${this.local.addresses.mail}/counts`)).json()) as Record<string, number>;
    return Object.fromEntries(
      Object.entries(counts)
        .filter(([id]) => id.startsWith(orderId))
        .map(([id, n]) => [id.slice(orderId.length + 1, id.indexOf('@')), n]),
    );
  }

  providerFaults(faults: object): Promise<Answer> {
    return setFaults(this.local.addresses.provider, faults);
  }

  mailFaults(faults: object): Promise<Answer> {
    return setFaults(this.local.addresses.mail, faults);
  }

  async setFlag(key: keyof typeof flags, value: boolean | number): Promise<void> {
    await setFlag(await this.nc(), flags, key, JSON.stringify(value));
  }

  /** Of one process, every sample of a metric summed up over its labels; 0 when there is none. */
  async metric(url: string, name: string): Promise<number> {
    const text = await (await fetch(`${url}/metrics`)).text();
    const samples = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  async nc(): Promise<NatsConnection> {
    if (!this.#nc || this.#nc.isClosed())
      this.#nc = await connect({
        servers: this.local.addresses.nats,
        maxReconnectAttempts: -1,
        reconnectTimeWait: 100,
        // A publish into the void must fail, not wait.
        timeout: 5000,
      });
    return this.#nc;
  }

  private async jsm(): Promise<JetStreamManager> {
    return jetstreamManager(await this.nc(), { checkAPI: false });
  }
}

export interface Charge {
  key: string;
  status: 'pending' | 'captured' | 'declined' | 'voided';
  amount: number;
  refunded: number;
  captures: number;
}

export const eventsOf = (order: Order): string[] => order.history.map(({ event }) => event);
export const uniqueKey = (): string => randomUUID();

async function setFaults(url: string, faults: object): Promise<Answer> {
  await fetch(`${url}/faults`, { method: 'DELETE' });
  const response = await fetch(`${url}/faults`, { method: 'POST', body: JSON.stringify(faults) });
  if (!response.ok) throw new Error(`faults were refused: ${await response.text()}`);
  return { status: response.status, headers: response.headers, body: await response.json() };
}
