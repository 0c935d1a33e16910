import { createServer, request as send, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Reply {
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  body: Buffer | string;
}
type Forward = () => Promise<Reply>;
/** What becomes of the nth request since it was set: the reply its sender gets, `undefined` when it gets none. */
type Behaviour = (nth: number, forward: Forward) => Promise<Reply | undefined>;

/** Stands between an adapter and its provider, and loses, holds or replaces what passes. */
export class Between implements AsyncDisposable {
  /** How many requests have come so far. */
  requests = 0;
  #since = 0;
  #behave: Behaviour = (_, forward) => forward();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async start(target: string): Promise<Between> {
    const server = createServer((request, response) => void between.#handle(target, request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const between = new Between(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return between;
  }

  /** Lets everything pass. */
  pass(): void {
    this.#set((_, forward) => forward());
  }

  /** The provider does what the nth request asks for, and nobody learns of it. */
  loseAnswer(nth: number): void {
    this.#set(async (n, forward) => {
      const reply = await forward();
      return n === nth ? undefined : reply;
    });
  }

  /** The provider does what is asked, and no answer comes in time. */
  holdAnswers(): void {
    this.#set(async (_, forward) => {
      await forward();
      return new Promise(() => undefined);
    });
  }

  /** The nth request comes to the provider only when it is released. */
  holdRequest(nth: number): { release(): Promise<void> } {
    const held = Promise.withResolvers<Forward>();
    this.#set(async (n, forward) => {
      if (n !== nth) return forward();
      held.resolve(forward);
      return new Promise(() => undefined);
    });
    return { release: async () => void (await (await held.promise)()) };
  }

  /** The nth request gets this for an answer and does not come to the provider. */
  answerWith(nth: number, reply: Reply): void {
    this.#set(async (n, forward) => (n === nth ? reply : forward()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  #set(behave: Behaviour): void {
    this.#since = this.requests;
    this.#behave = behave;
  }

  async #handle(target: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const nth = ++this.requests - this.#since;
    const body = await bytesOf(request);
    const reply = await this.#behave(nth, () => forwarded(target, request, body)).catch(() => undefined);
    if (!reply) return void response.destroy();
    response.writeHead(reply.status, reply.headers).end(reply.body);
  }
}

async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function forwarded(target: string, { method, url, headers }: IncomingMessage, body: Buffer): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { host, ...rest } = headers;
    const out = send(new URL(url!, target), { method, headers: { ...rest, host, connection: 'close' } }, (answer) => {
      bytesOf(answer).then(
        (bytes) => resolve({ status: answer.statusCode!, headers: answer.headers, body: bytes }),
        reject,
      );
    });
    out.on('error', reject).end(body);
  });
}
