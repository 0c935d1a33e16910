import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Refused } from '../http.js';

/** Misbehaviour that a test switches on with `POST /faults`. */
export interface Faults {
  /** Share of new charges that are declined, 0 to 1. Which ones follows from their key and the seed. */
  declineRate: number;
  /** Delay before every charge and refund is looked at. */
  latencyMs: number;
  /** How many of the next refund requests fail with 503. */
  refundFailures: number;
  /** Charges and refunds are received and neither done nor answered, until the faults are cleared. */
  hang: boolean;
}

const NONE: Faults = { declineRate: 0, latencyMs: 0, refundFailures: 0, hang: false };

export class FaultInjector {
  private faults: Faults = { ...NONE };
  private held = 0;
  private releasing = Promise.withResolvers<void>();

  constructor(private readonly seed: string) {}

  /** The faults that are on, and how many requests hang now. */
  current(): Faults & { held: number } {
    return { ...this.faults, held: this.held };
  }

  /** Adds to the faults that are on. */
  set(wanted: Readonly<Record<string, unknown>>): Faults & { held: number } {
    const next = { ...this.faults };
    for (const [name, value] of Object.entries(wanted)) {
      if (name === 'hang' && typeof value === 'boolean') next.hang = value;
      else if (name === 'declineRate' && isNumber(value) && value <= 1) next.declineRate = value;
      else if ((name === 'latencyMs' || name === 'refundFailures') && isNumber(value)) next[name] = value;
      else throw new Refused(422, { error: `${name}: ${JSON.stringify(value)} is no fault this provider knows` });
    }
    this.faults = next;
    if (!next.hang) this.release();
    return this.current();
  }

  clear(): void {
    this.faults = { ...NONE };
    this.release();
  }

  /** Resolves to false when the request is not to be answered at all. */
  async admit(): Promise<boolean> {
    if (this.faults.latencyMs > 0) await pause(this.faults.latencyMs);
    if (!this.faults.hang) return true;
    this.held++;
    await this.releasing.promise;
    this.held--;
    return false;
  }

  /** A hash in place of chance: the same key and seed always give the same answer, in whatever order they come. */
  declines(key: string): boolean {
    const { declineRate } = this.faults;
    if (declineRate === 0) return false;
    const drawn = createHash('sha256').update(`${this.seed}\n${key}`).digest().readUInt32BE() / 2 ** 32;
    return drawn < declineRate;
  }

  failsRefund(): boolean {
    if (this.faults.refundFailures === 0) return false;
    this.faults.refundFailures--;
    return true;
  }

  /** Lets go of the requests that hang: their connections close unanswered. */
  private release(): void {
    this.releasing.resolve();
    this.releasing = Promise.withResolvers<void>();
  }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
