import {
  decide,
  evolve,
  mayCharge,
  newPayment,
  type Payment,
  type PaymentFact,
  type PaymentMessage,
} from '@pavane/payment/rules';
import type { Answer, Unknown } from '@pavane/payment/provider';
import type { OrdersCancelled, OrdersCreated } from '@pavane/contracts';
import type { Said } from './broker.js';
import { type Delivery, ModelParticipant, type Rules, type Table } from './participant.js';
import type { Provider } from './provider.js';
import { ModelService, type Surroundings } from './service.js';
import type { Process, Work } from './work.js';

const STALE_INTENT_MS = 10_000;
const CUSTOMER_MS = 1000;

interface Row {
  payment: Payment;
  dueAt: number | undefined;
  tries: number;
}

/** The payment service: its event door and its reconciler. */
export class PaymentService
  extends ModelService<Payment, PaymentMessage, PaymentFact>
  implements Table<Payment, PaymentFact>
{
  readonly participant;
  /** The flag `faults.payment.decline-rate`, at 1. */
  declinesAll = false;
  readonly rows = new Map<string, Row>();
  #tries = 0;

  constructor(
    around: Surroundings,
    instances: number,
    private readonly provider: Provider,
  ) {
    super(around, instances);
    const rules: Rules<Payment, PaymentMessage, PaymentFact> = {
      evolve,
      decide: (message, payment, now) =>
        around.sabotage === 'no-tombstone-at-payment' &&
        message.type === 'orders.cancelled' &&
        payment.status === 'none'
          ? []
          : decide(message, payment, now),
    };
    this.participant = new ModelParticipant('payment', rules, this, around);
  }

  load(orderId: string): Payment {
    return this.rows.get(orderId)?.payment ?? newPayment();
  }

  save(orderId: string, payment: Payment): void {
    this.rows.set(orderId, { payment, dueAt: this.#dueOf(payment), tries: 0 });
  }

  #dueOf({ status, cancelRequested, customerUrl }: Payment): number | undefined {
    const { ms } = this.around.clock;
    if (status === 'refund_pending' || (status === 'intended' && cancelRequested)) return ms;
    return status === 'intended' ? ms + (customerUrl ? CUSTOMER_MS : STALE_INTENT_MS) : undefined;
  }

  stateOf(orderId: string): string {
    const { status, cancelRequested } = this.load(orderId);
    return status === 'intended' && cancelRequested ? 'intended, to be cancelled' : status;
  }

  protected *hear(process: Process, { type, orderId, data: json }: Said, delivery: Delivery): Work {
    if (type === 'orders.cancelled') {
      const data = JSON.parse(json) as OrdersCancelled;
      yield* this.handle(process, { type, orderId, data }, delivery);
    } else yield* this.#created(process, orderId, JSON.parse(json) as OrdersCreated, delivery);
  }

  *#created(process: Process, orderId: string, data: OrdersCreated, delivery: Delivery): Work {
    const { sabotage, clock } = this.around;
    const atIntent = sabotage === 'inbox-with-intent';
    if (atIntent && this.participant.hasHandled(delivery)) return;
    const payment = yield* this.handle(process, { type: 'intend', orderId, data }, atIntent ? delivery : undefined);
    if (payment.status !== 'intended') {
      yield* this.handle(process, { type: 'orders.created', orderId, data }, delivery);
      return;
    }
    const answer = yield* this.#ask(orderId, payment);
    if (answer.type === 'unknown') {
      const row = this.rows.get(orderId)!;
      if (row.payment.status === 'intended') this.rows.set(orderId, { ...row, dueAt: clock.ms + 250, tries: 0 });
      return;
    }
    const settle: PaymentMessage = { type: 'settle', orderId, data: answer };
    yield* this.handle(process, settle, atIntent || answer.type === 'waiting' ? undefined : delivery);
  }

  /** Brings an intent to an end: charges it, or voids it once it may not be charged any more. */
  *#ask(orderId: string, payment: Payment): Work<Answer | Unknown> {
    const { clock, sabotage } = this.around;
    const may = mayCharge(payment, clock.date) || sabotage === 'charge-after-deadline';
    const key = sabotage === 'no-idempotency-key' ? `${orderId}/${++this.#tries}` : orderId;
    if (!payment.charge || !may) return yield* this.provider.void(orderId, orderId);
    if (this.declinesAll) {
      const voided = yield* this.provider.void(orderId, orderId);
      return voided.type === 'voided' ? { type: 'declined' } : voided;
    }
    const answer = yield* this.provider.charge(key, orderId, payment.charge);
    return answer.type === 'unknown' && sabotage === 'unknown-is-failed' ? { type: 'declined' } : answer;
  }

  /** Takes up one payment that is due. */
  override round(process: Process): boolean {
    if (super.round(process)) return true;
    if (this.around.sabotage === 'no-reconciler') return false;
    const { clock } = this.around;
    for (const [orderId, row] of this.rows) {
      if (!clock.reached(row.dueAt)) continue;
      this.rows.set(orderId, { ...row, dueAt: clock.ms + 2 ** Math.min(row.tries, 6) * 1000, tries: row.tries + 1 });
      process.start({ name: 'reconciler', orderId, work: this.#resolving(process, orderId, row.payment) });
      return true;
    }
    return false;
  }

  *#resolving(process: Process, orderId: string, payment: Payment): Work {
    try {
      let { status } = payment;
      if (status !== 'refund_pending') {
        const answer = yield* this.#ask(orderId, payment);
        if (answer.type === 'unknown') return;
        status = (yield* this.handle(process, { type: 'settle', orderId, data: answer })).status;
      }
      if (status === 'refund_pending') yield* this.#refund(process, orderId, payment);
    } catch {
      // Tried again when it is due.
    }
  }

  *#refund(process: Process, orderId: string, { charge }: Payment): Work {
    const { sabotage } = this.around;
    const key = sabotage === 'no-refund-key' ? `${orderId}/${++this.#tries}` : orderId;
    if ((yield* this.provider.refund(key, orderId, charge!.amount.amount)) || sabotage === 'refund-tried-once')
      yield* this.handle(process, { type: 'refunded', orderId, data: {} });
  }

  override *moments() {
    yield* super.moments();
    if (this.around.sabotage === 'no-reconciler') return;
    for (const { dueAt } of this.rows.values()) yield dueAt;
  }
}
