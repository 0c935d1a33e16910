import { setTimeout as delay } from 'node:timers/promises';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;
/** A server that has lived so long is not one that cannot start: the next pause is short again. */
const ESTABLISHED_MS = 5000;

/** Starts a server of the platform again when it died unasked, on what it had stored; as `Child` does with processes of ours. */
export class Revival {
  #wanted = true;
  #pause = FIRST_PAUSE_MS;
  #up = performance.now();
  #reviving = Promise.resolve();

  constructor(
    readonly name: string,
    private readonly server: () => { restart(): Promise<void> },
    /** Told of each death, and of each start that failed. */
    private readonly onDeath: ((name: string, how: string) => void) | undefined,
  ) {}

  /** For the server to tell how it died. */
  readonly died = (how: string): void => {
    if (!this.#wanted) return;
    if (performance.now() - this.#up > ESTABLISHED_MS) this.#pause = FIRST_PAUSE_MS;
    this.#reviving = this.#revive(how);
  };

  /** From when this resolves nothing is started again. */
  async end(): Promise<void> {
    this.#wanted = false;
    await this.#reviving;
  }

  async #revive(how: string): Promise<void> {
    this.onDeath?.(this.name, how);
    await delay(this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
    if (!this.#wanted) return;
    try {
      await this.server().restart();
      this.#up = performance.now();
    } catch (error) {
      if (this.#wanted) await this.#revive(`could not be started: ${(error as Error).message}`);
    }
  }
}
