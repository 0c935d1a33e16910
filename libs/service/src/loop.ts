export interface LoopOptions {
  /** The pause between the end of a round and the start of the next. */
  everyMs: number;
  /** Told of a round that failed, unless the one before failed in the same way; the next comes all the same. */
  onError(error: unknown): void;
}

/** Work that is done again and again, one round at a time. */
export class Loop {
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #running = false;
  #poked = false;
  /** How the last round failed. */
  #failure: string | undefined;

  constructor(
    private readonly work: () => Promise<void>,
    private readonly options: LoopOptions,
  ) {}

  /** Starts with a round at once. */
  start(): void {
    this.#running = true;
    this.#next(0);
  }

  /** Does the next round now, or right after the one that is under way. */
  poke(): void {
    this.#poked = true;
    if (this.#running && !this.#round) this.#next(0);
  }

  /** Starts no further round and resolves when the current one is over. */
  async stop(): Promise<void> {
    this.#running = false;
    clearTimeout(this.#timer);
    await this.#round;
  }

  #next(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#poked = false;
      this.#round = this.work()
        .then(
          () => (this.#failure = undefined),
          (error: unknown) => this.#failed(error),
        )
        .finally(() => {
          this.#round = undefined;
          if (this.#running) this.#next(this.#poked ? 0 : this.options.everyMs);
        });
    }, ms);
  }

  #failed(error: unknown): void {
    const failure = String(error);
    if (failure !== this.#failure) this.options.onError(error);
    this.#failure = failure;
  }
}
