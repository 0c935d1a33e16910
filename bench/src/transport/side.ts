import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Ledger } from './ledger.js';
import type { Load } from './load.js';

const READY_WITHIN_MS = 30_000;
/** Of what a process printed, for the error that says why it ended. */
const TAIL = 2_000;

type Methods<T> = { [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Awaited<R> : never };
type Answer = { ready: true } | { id: number; result?: unknown; error?: string };

/** A consumer or a publisher in a process of its own (`side-main.ts`), which ends with this one at the latest. */
export class Side<T extends Ledger | Load> implements AsyncDisposable {
  private readonly waiting = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  private readonly exited: Promise<void>;
  private printed = '';
  private calls = 0;
  private end: Error | undefined;

  private constructor(
    private readonly role: 'consumer' | 'publisher',
    private readonly child: ChildProcess,
  ) {
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => (this.printed = (this.printed + chunk.toString()).slice(-TAIL)));
    child.on('message', (answer: Answer) => this.answered(answer));
    this.exited = new Promise((resolve) => {
      // Not `exit`: what it printed last has not been read by then.
      child.once('close', (code, signal) => {
        this.ended(new Error(`the ${role} ended with ${signal ?? code}: ${this.printed.trim() || 'it said nothing'}`));
        resolve();
      });
    });
  }

  static consumer(module: string, url: string, variant?: string): Promise<Side<Ledger>> {
    return Side.start<Ledger>('consumer', module, url, variant);
  }

  static publisher(module: string, url: string, variant?: string): Promise<Side<Load>> {
    return Side.start<Load>('publisher', module, url, variant);
  }

  private static async start<T extends Ledger | Load>(
    role: 'consumer' | 'publisher',
    ...args: [module: string, url: string, variant?: string]
  ): Promise<Side<T>> {
    const given = args.filter((arg) => arg !== undefined);
    const main = join(import.meta.dirname, 'side-main.js');
    const side = new Side<T>(
      role,
      fork(main, [role, ...given], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], execArgv: [] }),
    );
    try {
      await side.ready();
      return side;
    } catch (error) {
      await side[Symbol.asyncDispose]();
      throw error;
    }
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Runs a method over there. Rejects when the process ends before it has answered. */
  call<K extends keyof T & string>(method: K, ...args: Parameters<Methods<T>[K]>): Promise<ReturnType<Methods<T>[K]>> {
    return new Promise((resolve, reject) => {
      if (this.end) return reject(this.end);
      const id = ++this.calls;
      this.waiting.set(id, { resolve, reject });
      this.child.send({ id, method, args });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }

  private async ready(): Promise<void> {
    let late: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.waiting.set(0, { resolve, reject });
        late = setTimeout(
          () =>
            reject(new Error(`the ${this.role} was not ready within ${READY_WITHIN_MS} ms: ${this.printed.trim()}`)),
          READY_WITHIN_MS,
        );
      });
    } finally {
      clearTimeout(late);
      this.waiting.delete(0);
    }
  }

  private answered(answer: Answer): void {
    const id = 'ready' in answer ? 0 : answer.id;
    const caller = this.waiting.get(id);
    this.waiting.delete(id);
    if ('error' in answer) caller?.reject(new Error(answer.error));
    else caller?.resolve(('result' in answer ? answer.result : undefined) as never);
  }

  private ended(error: Error): void {
    this.end = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
