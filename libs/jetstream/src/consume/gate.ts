import { Semaphore } from './semaphore.js';

/** How many may wait, in units of those that run. */
const WAITING = 10;

/** Runs so many tasks at a time, lets ten times as many wait, and turns the others away. */
export class Gate {
  private readonly slots: Semaphore;
  private inside = 0;

  constructor(private readonly permits: number) {
    this.slots = new Semaphore(permits);
  }

  /** The task's result, or undefined when there is no room for it. */
  run<T>(task: () => Promise<T>): Promise<T> | undefined {
    if (this.inside >= this.permits * (1 + WAITING)) return undefined;
    this.inside++;
    return this.slots.run(task).finally(() => this.inside--);
  }
}
