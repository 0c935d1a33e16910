/** What happened to money, in order. The ledger is made of these and of nothing else. */
export type Entry =
  | { type: 'captured'; key: string; amount: number; currency: string; method: string; at: string }
  | { type: 'declined'; key: string; amount: number; currency: string; method: string; reason: string; at: string }
  | { type: 'voided'; key: string; at: string }
  | { type: 'refunded'; id: string; key: string; amount: number; at: string };

export interface Charge {
  key: string;
  status: 'captured' | 'declined' | 'voided';
  /** Minor units. 0 and empty for a charge voided before it came. */
  amount: number;
  currency: string;
  method: string;
  reason?: string;
  /** Minor units given back so far. */
  refunded: number;
  /** How often money was taken for this key. More than 1 is a fault of the provider, which is why it is counted. */
  captures: number;
  at: string;
}

export interface Refund {
  id: string;
  key: string;
  amount: number;
  at: string;
}

/** The provider's books: charges by idempotency key and refunds by theirs. */
export class Ledger {
  private readonly charges = new Map<string, Charge>();
  private readonly refunds = new Map<string, Refund>();
  private captured = 0;
  private refunded = 0;

  charge(key: string): Charge | undefined {
    return this.charges.get(key);
  }

  refund(id: string): Refund | undefined {
    return this.refunds.get(id);
  }

  apply(entry: Entry): void {
    switch (entry.type) {
      case 'captured': {
        const captures = (this.charges.get(entry.key)?.captures ?? 0) + 1;
        this.charges.set(entry.key, charge(entry, 'captured', { captures }));
        this.captured += entry.amount;
        break;
      }
      case 'declined':
        this.charges.set(entry.key, charge(entry, 'declined', { reason: entry.reason }));
        break;
      case 'voided':
        this.charges.set(entry.key, charge({ ...entry, amount: 0, currency: '', method: '' }, 'voided'));
        break;
      case 'refunded': {
        this.refunds.set(entry.id, { id: entry.id, key: entry.key, amount: entry.amount, at: entry.at });
        const charged = this.charges.get(entry.key);
        if (charged) charged.refunded += entry.amount;
        this.refunded += entry.amount;
        break;
      }
    }
  }

  /** Totals in minor units, and every charge in the order of its first entry. */
  summary(): { captured: number; refunded: number; charges: Charge[] } {
    return { captured: this.captured, refunded: this.refunded, charges: [...this.charges.values()] };
  }
}

function charge(
  { key, amount, currency, method, at }: Pick<Charge, 'key' | 'amount' | 'currency' | 'method' | 'at'>,
  status: Charge['status'],
  more: Partial<Charge> = {},
): Charge {
  return { key, status, amount, currency, method, refunded: 0, captures: 0, at, ...more };
}
