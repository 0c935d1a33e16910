import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '@pavane/testing/servers';
import { type PortName, SERVICES, type Settings } from '@pavane/tools';
import { type Random, randomOf } from '../random.js';
import type { Scene } from '../scene.js';
import type { Fault, Stage } from './fault.js';

/** `CommandComplete` of a COMMIT, as PostgreSQL sends it. */
const COMMITTED = Buffer.from('C\0\0\0\x0bCOMMIT\0', 'latin1');
/** The query `COMMIT`, as a client sends it. */
const COMMIT = Buffer.from('Q\0\0\0\x0bCOMMIT\0', 'latin1');

/** What is done to pieces of data on their way. */
interface Harm {
  /** Whether a piece is not passed on. */
  swallows?: (data: Buffer) => boolean;
  /** By how many milliseconds a piece comes late, and all that follow it. */
  lateness?: (data: Buffer) => number;
}

/** A TCP proxy on loopback that passes everything on until it is told to do harm. Chance decides what it is told to draw. */
export class Proxy {
  /** Connections that were reset on request so far. */
  resets = 0;
  /** Commits so far whose answer was lost. */
  cuts = 0;
  /** Pieces of data that were held up so far. */
  held = 0;
  /** Commits so far that were held back for others to overtake. */
  overtaken = 0;
  #server: Server | undefined;
  #latency: readonly [from: number, to: number] = [0, 0];
  #oneIn = 0;
  #late: { oneIn: number; ms: number } | undefined;
  readonly #connections = new Set<() => void>();

  private constructor(
    readonly port: number,
    private readonly target: number,
    private readonly random: Random,
  ) {}

  /** Listens on a port of its own, none of `taken`, and passes connections on to the target. */
  static async before(target: number, taken: readonly number[], random: Random): Promise<Proxy> {
    let port = await freePort();
    while (taken.includes(port)) port = await freePort();
    const proxy = new Proxy(port, target, random);
    await proxy.accept();
    return proxy;
  }

  /** Holds up whatever passes, each way, by so many milliseconds drawn anew each time; order is kept. */
  delays(from: number, to = from): void {
    this.#latency = [from, to];
  }

  /** Loses the answers to one in so many commits, connection and all, after the server has committed; 0 ends that. */
  cutsCommits(oneIn: number): void {
    this.#oneIn = oneIn;
  }

  /** Holds back one in so many commits before the server sees it, so that later transactions commit first; 0 ends that. */
  holdsCommits(oneIn: number, ms = 0): void {
    this.#late = oneIn > 0 ? { oneIn, ms } : undefined;
  }

  /** Resets every connection there is (RST to both sides). */
  reset(): void {
    this.resets += this.#connections.size;
    for (const reset of this.#connections) reset();
  }

  /** New connections are refused until `accept` is called. */
  refuse(): void {
    this.#server?.close();
    this.#server = undefined;
  }

  async accept(): Promise<void> {
    if (this.#server) return;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#pass(client));
    this.#server = server;
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
  }

  close(): void {
    this.refuse();
    for (const reset of this.#connections) reset();
  }

  #pass(client: Socket): void {
    const server = connect({ port: this.target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    const reset = () => {
      client.resetAndDestroy();
      server.resetAndDestroy();
    };
    this.#connections.add(reset);
    for (const socket of [client, server])
      socket.on('error', reset).on('close', () => {
        if (client.destroyed && server.destroyed) this.#connections.delete(reset);
      });
    this.#forward(client, server, { lateness: (data) => this.#latenessOf(data) });
    const swallows = (data: Buffer) => {
      if (this.#oneIn === 0 || !data.includes(COMMITTED) || this.random.int(1, this.#oneIn) > 1) return false;
      this.cuts++;
      reset();
      return true;
    };
    this.#forward(server, client, { swallows });
  }

  #forward(from: Socket, to: Socket, { swallows, lateness }: Harm): void {
    let last = Promise.resolve();
    const inTurn = (act: () => void, lateBy = 0) => {
      const [least, most] = this.#latency;
      const due = performance.now() + (most > 0 ? this.random.int(least, most) : 0) + lateBy;
      if (most > 0) this.held++;
      last = actAfter(last, due, act);
    };
    from.on('data', (data) => {
      if (swallows?.(data)) return;
      const pass = () => {
        if (to.destroyed || to.write(data)) return;
        from.pause();
        to.once('drain', () => from.resume());
      };
      inTurn(pass, lateness?.(data));
    });
    from.on('end', () => inTurn(() => to.end()));
  }

  #latenessOf(data: Buffer): number {
    const late = this.#late;
    if (!late || !data.includes(COMMIT) || this.random.int(1, late.oneIn) > 1) return 0;
    this.overtaken++;
    return late.ms;
  }
}

/** Acts when its time has come, and not before what comes before it. */
async function actAfter(before: Promise<void>, due: number, act: () => void): Promise<void> {
  await before;
  const early = due - performance.now();
  if (early > 0) await delay(early);
  act();
}

/** What a proxy can stand before, and the variables that lead the services through it. */
const SERVERS = {
  nats: (port) => each(() => ({ NATS_URL: `nats://127.0.0.1:${port}` })),
  postgres: (port) => each((service) => ({ DATABASE_URL: `postgresql://postgres@127.0.0.1:${port}/${service}` })),
  provider: (port) => ({ payment: { PROVIDER_URL: `http://127.0.0.1:${port}` } }),
  smtp: (port) => ({ notification: { SMTP_URL: `smtp://127.0.0.1:${port}` } }),
} satisfies Partial<Record<PortName, (port: number) => Settings['env']>>;
type Proxied = keyof typeof SERVERS;
export const ALL = Object.keys(SERVERS) as Proxied[];

const each = (env: (service: string) => Record<string, string>): Settings['env'] =>
  Object.fromEntries(SERVICES.map((service) => [service, env(service)]));

/** A fault that is played with a proxy between the services and each server named; the audit goes past them. */
export function throughProxies(
  servers: readonly Proxied[],
  fault: Omit<Fault, 'stage' | 'run'> & { run(scene: Scene, proxies: readonly Proxy[]): Promise<void> },
): Fault {
  let proxies: Proxy[] = [];
  const close = () => proxies.forEach((proxy) => proxy.close());
  return {
    ...fault,
    async stage({ settings, seed }): Promise<Stage> {
      const env: Settings['env'] = {};
      const taken = Object.values(settings.ports);
      proxies = [];
      for (const server of servers) {
        const proxy = await Proxy.before(settings.ports[server], taken, randomOf(seed, `${fault.name} ${server}`));
        taken.push(proxy.port);
        proxies.push(proxy);
        for (const [service, more] of Object.entries(SERVERS[server](proxy.port)))
          Object.assign((env[service as keyof typeof env] ??= {}), more);
      }
      return { settings: { env }, dispose: close };
    },
    run: (scene) => fault.run(scene, proxies),
  };
}
