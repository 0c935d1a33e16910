import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { metrics } from '@opentelemetry/api';
import { inTrace, isAway, Participant, PG_POOL } from '@pavane/outbox';
import { Intake, Loop } from '@pavane/service';
import type { Pool } from 'pg';
import type { Charge, Payment, PaymentFact, PaymentMessage } from './payment.js';
import { PaymentProvider } from './payment.provider.js';

const LOOK_EVERY_MS = 500;
const AT_ONCE = 50;

interface Open {
  orderId: string;
  status: 'intended' | 'refund_pending';
  cancelRequested: boolean;
  amount: number;
  currency: string;
  method: string;
  items: Charge['items'];
  deadlineAt: Date;
  traceparent: string | null;
}

/**
 * Owns what the provider has not answered for: intents without an outcome, and refunds that are owed. Tries until it
 * succeeds, with longer and longer waits up to a minute; an answer is recorded whoever asked.
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
    @Inject(PG_POOL) private readonly pool: Pool,
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

  /** Takes over an intent whose outcome is unknown, without waiting for it to grow stale. */
  async retry(orderId: string): Promise<void> {
    await this.pool.query(
      `UPDATE payments SET due_at = now() + interval '250 ms' WHERE order_id = $1 AND status = 'intended'`,
      [orderId],
    );
  }

  /** Does one round over everything that is due. */
  async reconcile(): Promise<void> {
    // Claimed by moving the next try ahead, so that two instances do not both ask.
    const { rows } = await this.pool.query<Open>(
      `UPDATE payments SET tries = tries + 1, due_at = now() + least(60, 2 ^ tries) * interval '1 s' WHERE order_id IN (
         SELECT order_id FROM payments WHERE due_at <= now() ORDER BY due_at LIMIT $1 FOR UPDATE SKIP LOCKED)
       RETURNING order_id AS "orderId", status, cancel_requested AS "cancelRequested", amount, currency, method, items, deadline_at AS "deadlineAt", traceparent`,
      [AT_ONCE],
    );
    await Promise.all(
      rows.map((open) =>
        inTrace(open.traceparent, () => this.#resolve(open)).catch((error: unknown) =>
          this.#log.warn(`will be tried again: ${String(error)}`, { orderId: open.orderId }),
        ),
      ),
    );
    const owed = await this.pool.query<{ s: number | null }>(
      `SELECT extract(epoch FROM now() - min(updated_at))::float AS s FROM payments WHERE status = 'refund_pending'`,
    );
    this.#oldestOwedSeconds = owed.rows[0]?.s ?? 0;
    if (rows.length === AT_ONCE) this.#loop.poke();
  }

  async #resolve({ orderId, status, cancelRequested, amount, currency, ...rest }: Open): Promise<void> {
    if (status === 'refund_pending') return this.#refund(orderId, amount);
    const settlement =
      cancelRequested || rest.deadlineAt <= new Date()
        ? await this.provider.void(orderId)
        : await this.provider.charge(orderId, { ...rest, amount: { amount, currency } });
    if (settlement === 'unknown') return;
    const after = await this.payments.handle({ type: 'settle', orderId, data: settlement });
    if (after.status === 'refund_pending') await this.#refund(orderId, amount);
  }

  async #refund(orderId: string, amount: number): Promise<void> {
    if (await this.provider.refund(orderId, amount))
      await this.payments.handle({ type: 'refunded', orderId, data: {} });
  }
}
