import type { Answer, Settlement, Unknown } from '@pavane/payment/provider';
import type { Charge } from '@pavane/payment/rules';
import { RetryLater } from '@pavane/jetstream';
import { type Clock, earliest } from './clock.js';
import type { Chance, Wish } from './scenario.js';
import type { Work } from './work.js';

interface Account {
  orderId: string;
  status: Settlement;
  amount: number;
  captures: number;
  refunded: number;
}

interface Request {
  key: string;
  orderId: string;
  amount: number;
  card: Wish['card'];
}

/** How long a slow card takes: longer than any order may last. */
const SLOW_MS = 45_000;
/** How long a customer may take at the bank: sometimes longer than the order lasts. */
const CUSTOMER_MS = 40_000;

/** Of a hundred calls for a refund, how many go wrong either way while faults strike: there are few of them. */
const REFUND_TROUBLE = 20;

/** The payment provider: idempotent by key, and with every way of letting a caller down. */
export class Provider {
  readonly accounts = new Map<string, Account>();
  /** Refunds given, by idempotency key. */
  readonly refunds = new Map<string, number>();
  /** Requests the provider works on, whose customer is at the bank, or that are on their way though nobody waits for them. */
  readonly #under: { request: Request; at: number }[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly chance: Chance,
    private readonly violated: (what: string) => void,
  ) {}

  *charge(key: string, orderId: string, { amount, method, deadlineAt }: Charge): Work<Answer | Unknown> {
    if (deadlineAt <= this.clock.date) this.violated(`a charge of ${orderId} was started after its deadline`);
    const request = { key, orderId, amount: amount.amount, card: method as Wish['card'] };
    yield 'asking';
    this.#orAway();
    if (this.chance.strikes()) {
      // The caller has given up; whether the request still comes is another matter.
      if (this.chance.int(0, 1)) this.#under.push({ request, at: this.clock.ms + this.chance.int(0, 20_000) });
      return { type: 'unknown' };
    }
    if (method === 'slow' && !this.accounts.has(key)) {
      if (!this.#under.some((one) => one.request.key === key))
        this.#under.push({ request, at: this.clock.ms + SLOW_MS });
      return { type: 'unknown' };
    }
    if (method === '3ds' && !this.accounts.has(key)) {
      if (!this.#under.some((one) => one.request.key === key))
        this.#under.push({ request, at: this.clock.ms + this.chance.int(1000, CUSTOMER_MS) });
      return yield* this.#answered({ type: 'waiting', reference: key, customerUrl: key });
    }
    return yield* this.#answered({ type: this.#decide(request), reference: key });
  }

  *void(key: string, orderId: string): Work<Answer | Unknown> {
    yield 'asking';
    this.#orAway();
    if (this.chance.strikes()) return { type: 'unknown' };
    const known = this.accounts.get(key);
    if (!known) this.accounts.set(key, { orderId, status: 'voided', amount: 0, captures: 0, refunded: 0 });
    return yield* this.#answered({ type: known?.status ?? 'voided', reference: key });
  }

  /** Resolves to whether it was given. */
  *refund(key: string, orderId: string, amount: number): Work<boolean> {
    yield 'asking';
    if (this.chance.strikes(REFUND_TROUBLE)) return false;
    const account = [...this.accounts.values()].find((one) => one.orderId === orderId && one.status === 'captured');
    if (!account || (!this.refunds.has(key) && account.refunded + amount > account.amount)) return false;
    if (!this.refunds.has(key)) {
      this.refunds.set(key, amount);
      account.refunded += amount;
    }
    if (this.chance.strikes(REFUND_TROUBLE)) return false;
    yield 'answered';
    return true;
  }

  /** Decides a request that nobody waits for. */
  decideDue(): boolean {
    const due = this.#under.findIndex(({ at }) => this.clock.reached(at));
    if (due < 0) return false;
    const { request } = this.#under.splice(due, 1)[0]!;
    this.#decide(request);
    return true;
  }

  nextMoment(): number | undefined {
    return earliest(this.#under.map(({ at }) => at));
  }

  #decide({ key, orderId, amount, card }: Request): Settlement {
    const known = this.accounts.get(key);
    if (known) return known.status;
    const status = card === 'declined' ? 'declined' : 'captured';
    this.accounts.set(key, { orderId, status, amount, captures: status === 'captured' ? 1 : 0, refunded: 0 });
    const captures = [...this.accounts.values()].filter((one) => one.orderId === orderId && one.captures > 0).length;
    if (captures > 1) this.violated(`${orderId} was captured ${captures} times`);
    return status;
  }

  *#answered(answer: Answer): Work<Answer | Unknown> {
    if (this.chance.strikes()) return { type: 'unknown' };
    yield 'answered';
    return answer;
  }

  #orAway(): void {
    if (this.chance.strikes()) throw new RetryLater('the payment provider is away');
  }
}
