import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { awaitStopped } from './processes.js';

/** A server did not start, or died while starting. The message ends with the last lines of its log. */
export class ServerFailed extends Error {
  readonly code = 'SERVER_FAILED';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ServerFailed';
  }
}

export interface Launch {
  name: string;
  command: string;
  args: string[];
  /** Receives stdout and stderr, appended. */
  logFile: string;
  cwd: string;
  env?: NodeJS.ProcessEnv;
  identity?: { uid: number; gid: number };
  /** What stops the server in an orderly way when this process dies without having stopped it. */
  orphanSignal: 'SIGINT' | 'SIGTERM';
  /** Removed after such a death. */
  disposableDir?: string;
  /** Told how the server ended, when it was ready and `stop` had not been called. */
  onDeath?: ((how: string) => void) | undefined;
}

const STOP_WITHIN_MS = 30_000;
const TAIL_BYTES = 4_096;

/** One server as a child process in a process group of its own: a Ctrl-C in the terminal does not reach it. */
export class ServerProcess {
  readonly exited: Promise<string>;
  private outcome: string | undefined;
  private asked = false;

  private constructor(
    private readonly launched: Launch,
    private readonly child: ChildProcess,
  ) {
    this.exited = new Promise((resolve) => {
      const settle = (outcome: string) => {
        this.outcome ??= outcome;
        resolve(this.outcome);
      };
      child.once('error', (error) => settle(`could not be run: ${error.message}`));
      child.once('exit', (code, signal) => settle(signal ? `ended by ${signal}` : `exited with code ${code}`));
    });
  }

  static launch(launch: Launch): ServerProcess {
    const log = openSync(launch.logFile, 'a');
    try {
      const child = spawn(launch.command, launch.args, {
        ...launch.identity,
        cwd: launch.cwd,
        env: launch.env ?? process.env,
        stdio: ['ignore', log, log],
        detached: true,
      });
      const server = new ServerProcess(launch, child);
      if (child.pid !== undefined) watchOver(child.pid, launch, server.exited);
      return server;
    } finally {
      closeSync(log);
    }
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get running(): boolean {
    return this.outcome === undefined;
  }

  /** Resolves when the probe does; rejects with the log's tail when the server exits first or time is up. */
  async ready(probe: () => Promise<void>, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    const { name } = this.launched;
    for (;;) {
      if (!this.running) throw this.failure(`${name} did not start: it ${this.outcome}.`);
      const failure = await probe().then(
        () => undefined,
        (error: unknown) => error ?? new Error('not ready'),
      );
      if (failure === undefined && this.running) {
        void this.exited.then((how) => this.asked || this.launched.onDeath?.(how));
        return;
      }
      if (performance.now() > deadline) {
        await this.stop('SIGKILL');
        throw this.failure(`${name} was not ready within ${withinMs} ms and was stopped.`, { cause: failure });
      }
      await Promise.race([pause(15), this.exited]);
    }
  }

  /** Sends the signal and resolves when the process is gone; one that does not go within 30 s is killed. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.asked = true;
    if (!this.running) return;
    this.child.kill(signal);
    // A stopped process takes no signal but SIGKILL until it continues.
    if (signal !== 'SIGKILL') this.child.kill('SIGCONT');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_WITHIN_MS);
    await this.exited;
    clearTimeout(timer);
  }

  /** Freezes the process; resolves when it stands still. */
  async pause(): Promise<void> {
    if (!this.running) return;
    this.child.kill('SIGSTOP');
    await awaitStopped(this.pid, STOP_WITHIN_MS);
  }

  resume(): void {
    if (this.running) this.child.kill('SIGCONT');
  }

  logTail(): string {
    const file = openSync(this.launched.logFile, 'r');
    try {
      const { size } = fstatSync(file);
      const bytes = Buffer.alloc(Math.min(size, TAIL_BYTES));
      readSync(file, bytes, 0, bytes.length, size - bytes.length);
      return bytes.toString('utf8').trim();
    } finally {
      closeSync(file);
    }
  }

  private failure(message: string, options?: ErrorOptions): ServerFailed {
    const { disposableDir, logFile } = this.launched;
    const log = disposableDir === undefined ? `Its log (${logFile})` : 'Its log';
    return new ServerFailed(`${message} ${log} ends:\n${this.logTail()}`, options);
  }
}

// A pipe of which only this process holds the writing end: it closes however this process dies, SIGKILL included,
// where an 'exit' listener is not run (nor is one registered inside a Jest environment).
const WATCH = `
read -r _
kill -"$2" "$1" 2>/dev/null; kill -CONT "$1" 2>/dev/null
[ -n "$3" ] || exit 0
n=0; while [ $n -lt 50 ] && kill -0 "$1" 2>/dev/null; do sleep 0.1; n=$((n+1)); done
kill -KILL "$1" 2>/dev/null
rm -rf -- "$3"`;

function watchOver(pid: number, { orphanSignal, disposableDir }: Launch, exited: Promise<string>): void {
  if (process.platform === 'win32') {
    const kill = () => process.kill(pid);
    process.once('exit', kill);
    void exited.then(() => process.removeListener('exit', kill));
    return;
  }
  const args = ['-c', WATCH, 'watch', String(pid), orphanSignal.slice(3), disposableDir ?? ''];
  const watch = spawn('/bin/sh', args, { cwd: '/', stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  watch.once('error', () => undefined);
  watch.stdin.once('error', () => undefined);
  watch.unref();
  if (watch.stdin instanceof Socket) watch.stdin.unref();
  void exited.then(() => watch.kill('SIGKILL'));
}
