import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { metrics } from '@opentelemetry/api';
import { inTrace, isAway, Participant } from '@pavane/outbox';
import { Intake, Loop } from '@pavane/service';
import type { Payment, PaymentFact, PaymentMessage } from './payment.js';
import { PaymentProvider } from './payment.provider.js';
import { type OpenPayment, PaymentStore } from './payment.store.js';

const LOOK_EVERY_MS = 500;
const AT_ONCE = 50;

/**
 * Owns what the provider has not answered for: intents without an outcome, and refunds that are owed. Tries until it
 * succeeds, with longer and longer waits up to 8 s; an answer is recorded whoever asked.
 */
@Injectable()
export class PaymentReconciler implements OnApplicationBootstrap {
  readonly #log = new Logger('Reconciler');
  readonly #loop = new Loop(() => this.reconcile(), {
    everyMs: LOOK_EVERY_MS,
    onError: (error) => isAway(error) || this.#log.error(`reconciling failed: ${String(error)}`),
  });
  #oldestOwedSeconds = 0;

  constructor(
    private readonly store: PaymentStore,
    private readonly payments: Participant<Payment, PaymentMessage, PaymentFact>,
    private readonly provider: PaymentProvider,
    private readonly intake: Intake,
  ) {
    metrics
      .getMeter('@pavane/payment')
      .createObservableGauge('payment_oldest_refund_pending_seconds', {
        description: 'How long the oldest refund has been owed',
      })
      .addCallback((result) => result.observe(this.#oldestOwedSeconds));
  }

  onApplicationBootstrap(): void {
    this.intake.add('reconciler', () => this.#loop.stop());
    this.#loop.start();
  }

  /** Looks at once, because something has just become due. */
  poke(): void {
    this.#loop.poke();
  }

  /** Does one round over everything that is due. */
  async reconcile(): Promise<void> {
    const open = await this.store.claimDue(AT_ONCE);
    await Promise.all(
      open.map((payment) =>
        inTrace(payment.traceparent, () => this.#resolve(payment)).catch((error: unknown) =>
          this.#log.warn(`will be tried again: ${String(error)}`, { orderId: payment.orderId }),
        ),
      ),
    );
    this.#oldestOwedSeconds = await this.store.oldestOwedSeconds();
    if (open.length === AT_ONCE) this.#loop.poke();
  }

  async #resolve({ orderId, status, cancelRequested, charge }: OpenPayment): Promise<void> {
    if (status === 'refund_pending') return this.#refund(orderId, charge.amount.amount);
    const settlement = await this.provider.settle(orderId, { cancelRequested, charge }, new Date());
    if (settlement === 'unknown') return;
    const after = await this.payments.handle({ type: 'settle', orderId, data: settlement });
    if (after.status === 'refund_pending') await this.#refund(orderId, charge.amount.amount);
  }

  async #refund(orderId: string, amount: number): Promise<void> {
    if (await this.provider.refund(orderId, amount))
      await this.payments.handle({ type: 'refunded', orderId, data: {} });
    else this.#log.warn('a refund was not given and will be tried again', { orderId });
  }
}
