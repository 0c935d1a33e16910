import { writeFileSync } from 'node:fs';

interface Entry {
  /** Milliseconds since the history began. */
  time: number;
  /** One customer: the idempotency key, or the id of the order that is cancelled. */
  process: string;
  /** `ok`: it happened; `fail`: it did not; `info`: nobody knows. */
  type: 'invoke' | 'ok' | 'fail' | 'info';
  f: 'place' | 'cancel';
  value: unknown;
}

/** What customers asked and were answered, in the order they saw it; the form external checkers (Jepsen's) read. */
export class History {
  readonly #entries: Entry[] = [];
  readonly #began = performance.now();

  /** Notes a question; what it returns notes its answer. */
  invoke(process: string, what: unknown): (type: 'ok' | 'fail' | 'info', value: unknown) => void {
    const f = what === 'cancel' ? 'cancel' : 'place';
    const note = (type: Entry['type'], value: unknown) =>
      this.#entries.push({ time: Math.round(performance.now() - this.#began), process, type, f, value });
    note('invoke', what);
    return note;
  }

  /** Writes the history as JSON lines. */
  write(file: string): void {
    writeFileSync(file, this.#entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  }
}
