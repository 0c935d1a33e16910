import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/**
 * Stands between a client and PostgreSQL, and loses the answer to the next COMMIT: the server commits, and the client
 * never hears of it.
 */
export class Cutter implements AsyncDisposable {
  #armed = false;
  readonly #sockets = new Set<Socket>();
  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {}

  static async before(url: string): Promise<Cutter> {
    const server = createServer();
    const cutter = new Cutter(server, new URL(url));
    server.on('connection', (client) => cutter.#pass(client));
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return cutter;
  }

  get url(): string {
    const { port } = this.server.address() as AddressInfo;
    return Object.assign(new URL(this.target), { port: String(port) }).href;
  }

  loseNextCommit(): void {
    this.#armed = true;
  }

  #pass(client: Socket): void {
    const server = connect(Number(this.target.port), this.target.hostname);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    }
    let committing = false;
    client.on('data', (data) => {
      committing ||= this.#armed && data.includes('COMMIT');
      server.write(data);
    });
    server.on('data', (data) => {
      if (committing && data.includes('COMMIT')) {
        this.#armed = false;
        client.destroy();
        server.destroy();
      } else client.write(data);
    });
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((closed) => this.server.close(closed));
  }
}
