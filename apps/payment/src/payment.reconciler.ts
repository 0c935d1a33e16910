import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { metrics } from '@opentelemetry/api';
import { RetryLater } from '@pavane/jetstream';
import { inTrace, isAway } from '@pavane/outbox';
import { Intake, Loop } from '@pavane/service';
import { type Payable, PaymentProvider } from './payment.provider.js';
import { type OpenPayment, Payments, PaymentStore } from './payment.store.js';

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
    onError: (error) => isAway(error) || this.#log.error(`reconciling failed: ${(error as Error).message}`),
  });
  #ages = { openIntent: 0, refundPending: 0 };

  constructor(
    private readonly store: PaymentStore,
    private readonly payments: Payments,
    private readonly provider: PaymentProvider,
    private readonly intake: Intake,
  ) {
    const meter = metrics.getMeter('@pavane/payment');
    meter
      .createObservableGauge('payment_oldest_open_intent_seconds', {
        description:
          'How long the oldest intent has had no outcome; one that waits for its customer counts from its deadline',
      })
      .addCallback((result) => result.observe(this.#ages.openIntent));
    meter
      .createObservableGauge('payment_oldest_refund_pending_seconds', {
        description: 'How long the oldest refund has been owed',
      })
      .addCallback((result) => result.observe(this.#ages.refundPending));
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
          this.#failed(payment, error),
        ),
      ),
    );
    this.#ages = await this.store.oldestSeconds();
    if (open.length === AT_ONCE) this.#loop.poke();
  }

  async #resolve(payment: OpenPayment): Promise<void> {
    const { orderId } = payment;
    if (payment.status === 'refund_pending') return this.#refund(payment);
    const answer = await this.provider.settle(payment, this.payments.now());
    if (answer.type === 'unknown') return this.store.keepOpen(orderId, answer);
    const { status, reference } = await this.payments.handle({ type: 'settle', orderId, data: answer });
    if (status === 'refund_pending') await this.#refund({ ...payment, reference });
  }

  async #refund(payment: Payable): Promise<void> {
    const { orderId } = payment;
    if (await this.provider.refund(payment)) await this.payments.handle({ type: 'refunded', orderId, data: {} });
    else this.#log.warn('a refund was not given and will be tried again', { orderId });
  }

  async #failed({ orderId }: OpenPayment, error: unknown): Promise<void> {
    this.#log.warn(`will be tried again: ${String(error)}`, { orderId });
    if (error instanceof RetryLater) await this.store.keepOpen(orderId, { retryAfterMs: error.delayMs });
  }
}
