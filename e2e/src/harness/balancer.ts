import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * What stands before the instances of a service in a deployment, as a Kubernetes Service does: looks at intervals who is
 * ready, gives each new connection to the next of those, and lets connections that are open be. It does not know what
 * goes over them, so it cannot send anything twice.
 */
export class Balancer implements AsyncDisposable {
  readonly #ready = new Set<number>();
  readonly #sockets = new Set<Socket>();
  readonly #looking: Promise<void>;
  #stopped = false;
  #turn = 0;

  private constructor(
    private readonly server: Server,
    private readonly instances: ReadonlySet<number>,
    private readonly everyMs: number,
  ) {
    server.on('connection', (client: Socket) => this.#forward(client));
    this.#looking = this.#look();
  }

  /** Stands before the instances on these ports of this machine; the set may change. */
  static async start(instances: ReadonlySet<number>, { everyMs }: { everyMs: number }): Promise<Balancer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Balancer(server, instances, everyMs);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get ready(): number {
    return this.#ready.size;
  }

  #forward(client: Socket): void {
    const ready = [...this.#ready];
    const port = ready[this.#turn++ % ready.length];
    if (port === undefined) return void client.resetAndDestroy();
    const instance = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, instance],
      [instance, client],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.pipe(to);
      from.on('error', () => to.resetAndDestroy());
      from.once('close', () => this.#sockets.delete(from));
    }
  }

  async #look(): Promise<void> {
    while (!this.#stopped) {
      const seen = await Promise.all([...this.instances].map(async (port) => [port, await isReady(port)] as const));
      for (const [port, ready] of seen) {
        if (ready) this.#ready.add(port);
        else this.#ready.delete(port);
      }
      await pause(this.everyMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#looking;
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function isReady(port: number): Promise<boolean> {
  const answer = await fetch(`http://127.0.0.1:${port}/health/ready`).catch(() => undefined);
  await answer?.body?.cancel();
  return answer?.ok ?? false;
}
