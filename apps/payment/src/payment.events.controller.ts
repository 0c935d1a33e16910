import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { hears, OrdersCancelled, OrdersCreated } from '@pavane/contracts';
import { JetStreamContext, JetStreamEvent } from '@pavane/jetstream';
import { Participant } from '@pavane/outbox';
import type { Payment, PaymentFact, PaymentMessage } from './payment.js';
import { PaymentProvider } from './payment.provider.js';
import { PaymentStore } from './payment.store.js';
import { PaymentReconciler } from './payment.reconciler.js';

/** The event door of the payment service: one method per row of the saga table. */
@Controller()
export class PaymentEventsController {
  constructor(
    private readonly payments: Participant<Payment, PaymentMessage, PaymentFact>,
    private readonly provider: PaymentProvider,
    private readonly store: PaymentStore,
    private readonly reconciler: PaymentReconciler,
  ) {}

  /** Commits the intent, asks the provider, commits the outcome; only the outcome marks the event as handled. */
  @JetStreamEvent(hears('payment', 'orders.created'))
  async orderCreated(@Payload() data: OrdersCreated, @Ctx() { event, durable }: JetStreamContext): Promise<void> {
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

  @JetStreamEvent(hears('payment', 'orders.cancelled'))
  async orderCancelled(@Payload() data: OrdersCancelled, @Ctx() { event, durable }: JetStreamContext): Promise<void> {
    await this.payments.handle({ type: 'orders.cancelled', orderId: event.subject, data }, { id: event.id, durable });
    this.reconciler.poke();
  }
}
