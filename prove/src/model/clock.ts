/** Time as the model has it: it stands still until it is told to move. */
export class Clock {
  #ms = Date.UTC(2030, 0, 1);

  get ms(): number {
    return this.#ms;
  }

  get date(): Date {
    return new Date(this.#ms);
  }

  pass(ms: number): void {
    this.#ms += ms;
  }

  /** Whether a moment has come. */
  reached(at: number | undefined): boolean {
    return at !== undefined && at <= this.#ms;
  }
}

/** The earliest of several moments, `undefined` when there is none. */
export function earliest(moments: Iterable<number | undefined>): number | undefined {
  let first: number | undefined;
  for (const moment of moments) if (moment !== undefined && (first === undefined || moment < first)) first = moment;
  return first;
}
