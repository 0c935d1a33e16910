import { whyImpossible } from './impossible.js';
import { modelledDurables, STATES } from './modelled.js';

/** How an event comes to a handler, or what happens while it is there. */
export const KINDS = ['first', 'duplicate', 'reordered', 'redelivered', 'crash here', 'after the ending'] as const;
export type Kind = (typeof KINDS)[number];

/** One way of coming to one handler in one state. */
export interface Cell {
  durable: string;
  state: string;
  kind: Kind;
  /** Why it cannot be reached, if it cannot. */
  impossible: string | undefined;
  count: number;
}

/** What many runs of the model went through: handler × state × kind of interleaving, and where processes died. */
export class Coverage {
  readonly #cells = new Map<string, Cell>();
  readonly #crashes = new Map<string, number>();

  constructor() {
    for (const { durable, service } of modelledDurables)
      for (const state of STATES[service])
        for (const kind of KINDS) {
          const impossible = whyImpossible(durable, state, kind);
          this.#cells.set(`${durable} ${state} ${kind}`, { durable, state, kind, impossible, count: 0 });
        }
  }

  reached(durable: string, state: string, kind: Kind): void {
    const cell = this.#cells.get(`${durable} ${state} ${kind}`);
    if (!cell) throw new Error(`the model has no cell for ${durable} in state ${state}, ${kind}`);
    cell.count++;
  }

  crashed(job: string, seam: string): void {
    const where = `${job} ${seam}`;
    this.#crashes.set(where, (this.#crashes.get(where) ?? 0) + 1);
  }

  get cells(): Cell[] {
    return [...this.#cells.values()];
  }

  /** Cells that could have been reached and were not. */
  get missing(): Cell[] {
    return this.cells.filter(({ count, impossible }) => count === 0 && !impossible);
  }

  /** Where processes died: job and seam, and how often. */
  get crashes(): ReadonlyMap<string, number> {
    return this.#crashes;
  }

  /** How often a handler was reached in this way, in whatever state. */
  count(durable: string, kind: Kind): number {
    return this.cells.reduce((sum, cell) => sum + (cell.durable === durable && cell.kind === kind ? cell.count : 0), 0);
  }
}
