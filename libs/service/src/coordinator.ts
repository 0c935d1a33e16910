import { Logger } from '@nestjs/common';
import { keepOnSignals } from './boot-signals.js';

export interface CoordinatorOptions {
  /** Milliseconds for all steps together. */
  deadlineMs: number;
  /** Ends the process. Default `process.exit`. */
  exit?: (code: number) => void;
}

interface Step {
  name: string;
  run: () => Promise<unknown> | undefined;
  /** What it still waits for, for the log of a stop that was cut short. */
  remaining?: () => Record<string, unknown>;
}

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Stops a process in one order under one deadline. Nest's shutdown hooks cannot: they reset requests in flight and close
 * the database under handlers that still need it.
 */
export class ShutdownCoordinator {
  private readonly logger = new Logger('Shutdown');
  private readonly steps: Step[] = [];
  private readonly deadlineMs: number;
  private readonly exit: (code: number) => void;
  private running: Step | undefined;
  private stopping: Promise<void> | undefined;

  constructor({ deadlineMs, exit = (code) => process.exit(code) }: CoordinatorOptions) {
    this.deadlineMs = deadlineMs;
    this.exit = exit;
  }

  /** True from the moment a stop was asked for. */
  get isDraining(): boolean {
    return this.stopping !== undefined;
  }

  /** Appends a step. A step that fails is logged and the next one runs: what can still be saved is saved. */
  step(name: string, run: Step['run'], remaining?: Step['remaining']): this {
    this.steps.push({ name, run, remaining });
    return this;
  }

  /** Stops on SIGTERM and SIGINT; the second signal ends the process at once. Faults nobody caught end it with 1. */
  listen(): this {
    for (const [signal, code] of Object.entries(SIGNALS)) {
      process.on(signal, () => {
        if (this.isDraining) this.abandon(signal, code);
        else void this.stop(signal);
      });
    }
    keepOnSignals();
    // A process that survives these is in a state nobody designed; a restart is safe because nothing is acked early.
    process.on('uncaughtException', (error) => this.fault('uncaught exception', error));
    process.on('unhandledRejection', (reason) => this.fault('unhandled rejection', reason));
    return this;
  }

  /** Runs the steps once, then exits: 0 when all went well, 1 when a step failed or the deadline passed. */
  stop(reason: string): Promise<void> {
    return (this.stopping ??= this.runSteps(reason));
  }

  private async runSteps(reason: string): Promise<void> {
    const started = performance.now();
    const elapsed = () => Math.round(performance.now() - started);
    this.logger.log('stopping', { reason, deadlineMs: this.deadlineMs });
    const deadline = setTimeout(() => {
      this.logger.error('deadline passed before everything was finished', { ...this.unfinished(), ms: elapsed() });
      this.exit(1);
    }, this.deadlineMs);
    let failures = 0;
    for (const step of this.steps) {
      this.running = step;
      try {
        await step.run();
        this.logger.debug('step done', { step: step.name, ms: elapsed() });
      } catch (error) {
        failures++;
        this.logger.error('step failed', error, { step: step.name });
      }
    }
    clearTimeout(deadline);
    this.running = undefined;
    this.logger.log('stopped', { ms: elapsed() });
    this.exit(failures === 0 ? 0 : 1);
  }

  private abandon(signal: string, code: number): void {
    this.logger.warn('stopped at once by a second signal', { signal, ...this.unfinished() });
    this.exit(code);
  }

  private fault(what: string, error: unknown): void {
    this.logger.fatal(what, error instanceof Error ? error : new Error(String(error), { cause: error }));
    this.exit(1);
  }

  private unfinished(): Record<string, unknown> {
    return { running: this.running?.name, ...this.running?.remaining?.() };
  }
}
