import { Controller } from '@nestjs/common';
import { type OrdersCancelled, type OrdersCreated, subscriptionsOf } from '@pavane/contracts';
import { type JetStreamContext, JetStreamEvents } from '@pavane/jetstream';
import { PaymentProvider } from './payment.provider.js';
import { PaymentReconciler } from './payment.reconciler.js';
import { Payments, PaymentStore } from './payment.store.js';

/** The events of the payment service: one method for each row of the saga table. */
@Controller()
@JetStreamEvents(subscriptionsOf('payment'))
export class PaymentEventsController {
  constructor(
    private readonly payments: Payments,
    private readonly provider: PaymentProvider,
    private readonly store: PaymentStore,
    private readonly reconciler: PaymentReconciler,
  ) {}

  /** Commits the intent, asks the provider, commits the outcome; only the outcome marks the event as handled. */
  async ordersCreated(data: OrdersCreated, { event, durable }: JetStreamContext): Promise<void> {
    const orderId = event.subject;
    const delivery = { id: event.id, durable };
    const payment = await this.payments.handle({ type: 'intend', orderId, data });
    const { charge } = payment;
    if (payment.status !== 'intended' || !charge)
      return void (await this.payments.handle({ type: 'orders.created', orderId, data }, delivery));
    const answer = await this.provider.settle({ ...payment, orderId, charge }, this.payments.now());
    if (answer.type === 'unknown') return this.store.keepOpen(orderId, { retryAfterMs: 250, ...answer });
    const settle = { type: 'settle', orderId, data: answer } as const;
    const { status } = await this.payments.handle(settle, answer.type === 'waiting' ? undefined : delivery);
    if (status === 'refund_pending') this.reconciler.poke();
  }

  async ordersCancelled(data: OrdersCancelled, { event, durable }: JetStreamContext): Promise<void> {
    await this.payments.handle({ type: 'orders.cancelled', orderId: event.subject, data }, { id: event.id, durable });
    this.reconciler.poke();
  }
}
