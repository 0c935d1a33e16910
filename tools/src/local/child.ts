import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** How to run one process of the platform. */
export interface ChildOptions {
  name: string;
  args: readonly string[];
  cwd: string;
  env: Record<string, string>;
  logFile: string;
  /** Answers 200 when the process is ready. */
  readyUrl: string;
  /** Told when the process died unasked and is started again. */
  onDeath?: (name: string, how: string) => void;
}

/** Some twenty times what a start takes: on a starved machine several processes start side by side. */
const READY_WITHIN_MS = 60_000;
const LONGEST_PAUSE_MS = 5000;
/** A process that has lived so long is not one that cannot start: the next pause is short again. */
const ESTABLISHED_MS = 5000;

/** A process of the platform that is started again when it dies unasked. It does not outlive this one. */
export class Child {
  #process: ChildProcess | undefined;
  #wanted = false;
  #deaths = 0;
  /** Deaths one soon after the other. */
  #row = 0;

  constructor(readonly options: ChildOptions) {}

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** How often the process died unasked. */
  get deaths(): number {
    return this.#deaths;
  }

  /** Starts the process, this once with further variables, and resolves when it is ready. */
  async start(env: Record<string, string> = {}): Promise<void> {
    this.#wanted = true;
    this.#row = 0;
    this.#spawn(env);
    await this.ready();
  }

  /** Resolves when the process answers that it is ready; rejects after 60 s, or when it ended, with where its log is. */
  async ready(withinMs = READY_WITHIN_MS): Promise<void> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      const answer = await fetch(this.options.readyUrl, { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
      if (answer?.ok) return;
      const said = await answer?.text().catch(() => '');
      if (this.#process && this.#process.exitCode !== null && this.#row > 2) {
        throw new Error(
          `${this.options.name} ended with code ${this.#process.exitCode} instead of getting ready; its log: ${this.options.logFile}`,
        );
      }
      if (Date.now() > deadline)
        throw new Error(
          `${this.options.name} was not ready within ${withinMs / 1000} s${said ? ` (${said})` : ''}; its log: ${this.options.logFile}`,
        );
      await delay(25);
    }
  }

  /** Ends the process and resolves to its exit code; it is not started again. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#wanted = false;
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const gone = once(child, 'exit');
    child.kill(signal);
    const [code] = (await gone) as [number | null];
    return code;
  }

  /** Sends a signal; a process that dies of it is started again. */
  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  #spawn(env: Record<string, string> = {}): void {
    mkdirSync(dirname(this.options.logFile), { recursive: true });
    const log = openSync(this.options.logFile, 'a');
    const child = spawn(process.execPath, this.options.args, {
      cwd: this.options.cwd,
      env: { PATH: process.env['PATH'] ?? '', ...this.options.env, ...env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#process = child;
    const born = performance.now();
    endWithThisProcess(child);
    child.once('exit', (code, signal) => {
      if (!this.#wanted || this.#process !== child) return;
      this.#deaths++;
      if (performance.now() - born > ESTABLISHED_MS) this.#row = 0;
      this.#row++;
      this.options.onDeath?.(this.options.name, signal ?? `exit code ${code}`);
      setTimeout(() => this.#wanted && this.#spawn(), Math.min(100 * 2 ** (this.#row - 1), LONGEST_PAUSE_MS));
    });
  }
}

/** Ends the child when this process is gone, however it went: the pipe closes after SIGKILL too, where no listener runs. */
function endWithThisProcess(child: ChildProcess): void {
  if (process.platform === 'win32') return void process.once('exit', () => child.kill());
  // Frozen, it would hear of it only when somebody thaws it.
  const watch = spawn('/bin/sh', ['-c', 'read -r _; kill -TERM "$1"; kill -CONT "$1"', 'watch', `${child.pid}`], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watch.on('error', () => undefined);
  watch.stdin.on('error', () => undefined);
  watch.unref();
  if (watch.stdin instanceof Socket) watch.stdin.unref();
  child.once('exit', () => watch.kill('SIGKILL'));
}
