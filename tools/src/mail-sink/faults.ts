import { Refused } from '../http.js';

/** Misbehaviour that a test switches on with `POST /faults`. */
export interface Faults {
  /** Addresses refused with 550. */
  rejectRecipients: readonly string[];
  /** How many of the next messages get 451 and are not kept. */
  tempfail: number;
  /** Messages are received and neither kept nor answered, until the faults are cleared. */
  hang: boolean;
}

const NONE: Faults = { rejectRecipients: [], tempfail: 0, hang: false };

export class FaultInjector {
  private faults: Faults = NONE;
  private held = 0;
  private releasing = Promise.withResolvers<void>();

  /** The faults that are on, and how many messages hang now. */
  current(): Faults & { held: number } {
    return { ...this.faults, held: this.held };
  }

  /** Adds to the faults that are on. */
  set(wanted: Readonly<Record<string, unknown>>): Faults & { held: number } {
    let next = this.faults;
    for (const [name, value] of Object.entries(wanted)) {
      if (name === 'rejectRecipients' && isAddresses(value))
        next = { ...next, rejectRecipients: value.map((address) => address.toLowerCase()) };
      else if (name === 'tempfail' && typeof value === 'number' && Number.isSafeInteger(value) && value >= 0)
        next = { ...next, tempfail: value };
      else if (name === 'hang' && typeof value === 'boolean') next = { ...next, hang: value };
      else throw new Refused(422, { error: `${name}: ${JSON.stringify(value)} is no fault this mail sink knows` });
    }
    this.faults = next;
    if (!next.hang) this.release();
    return this.current();
  }

  clear(): void {
    this.faults = NONE;
    this.release();
  }

  refuses(address: string): boolean {
    return this.faults.rejectRecipients.includes(address);
  }

  takeTempfail(): boolean {
    const { tempfail } = this.faults;
    if (tempfail > 0) this.faults = { ...this.faults, tempfail: tempfail - 1 };
    return tempfail > 0;
  }

  /** Resolves to false when the message is neither to be kept nor answered. */
  async admit(): Promise<boolean> {
    if (!this.faults.hang) return true;
    this.held++;
    await this.releasing.promise;
    this.held--;
    return false;
  }

  private release(): void {
    this.releasing.resolve();
    this.releasing = Promise.withResolvers<void>();
  }
}

function isAddresses(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((address) => typeof address === 'string');
}
