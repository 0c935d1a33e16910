import { setTimeout as delay } from 'node:timers/promises';
import type { Addresses } from '../local/settings.js';
import { collect, type Evidence } from './evidence.js';
import { type Expectations, type Invariant, judge } from './invariants.js';

/** How many orders ended in each way. */
export interface Outcomes {
  confirmed: number;
  payment_failed: number;
  out_of_stock: number;
  deadline_passed: number;
  customer_request: number;
}

/** The verdict on a platform: what `--json` prints. */
export interface Audit {
  ok: boolean;
  outcomes: Outcomes;
  invariants: Invariant[];
}

export interface AuditOptions extends Expectations {
  /** How long the platform may take to come to rest, in milliseconds, before it is judged as it is. */
  withinMs?: number;
  /** Told while it waits: what does not hold yet. */
  onWait?: (missing: readonly Invariant[]) => void;
}

/** Audits a running platform: waits until every invariant holds, or the time is up, and gives the verdict. */
export async function audit(
  addresses: Addresses,
  { withinMs = 30_000, onWait, ...expected }: AuditOptions = {},
): Promise<Audit> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const evidence = await collect(addresses);
    const invariants = judge(evidence, expected);
    const missing = invariants.filter(({ holds }) => !holds);
    if (missing.length === 0 || Date.now() > deadline)
      return { ok: missing.length === 0, outcomes: count(evidence), invariants };
    onWait?.(missing);
    await delay(500);
  }
}

function count({ orders }: Evidence): Outcomes {
  const outcomes: Outcomes = {
    confirmed: 0,
    payment_failed: 0,
    out_of_stock: 0,
    deadline_passed: 0,
    customer_request: 0,
  };
  for (const { status, reason } of orders)
    if (status !== 'pending') outcomes[(reason ?? 'confirmed') as keyof Outcomes]++;
  return outcomes;
}
