import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import * as contracts from '@pavane/contracts';
import { type Heard, hears } from '@pavane/contracts';
import { JetStreamContext, JetStreamEvent } from '@pavane/jetstream';
import { Participant } from '@pavane/outbox';
import type { Order, OrderFact, OrderMessage } from './order.js';

/** The event door of the order service: one method per row of the saga table. */
@Controller()
export class OrderEventsController {
  constructor(private readonly orders: Participant<Order, OrderMessage, OrderFact>) {}

  @JetStreamEvent(hears('order', 'timers.deadline'))
  deadline(@Payload() data: contracts.TimersDeadline, @Ctx() context: JetStreamContext) {
    return this.hear('timers.deadline', data, context);
  }

  @JetStreamEvent(hears('order', 'payments.completed'))
  paymentCompleted(@Payload() data: contracts.PaymentsCompleted, @Ctx() context: JetStreamContext) {
    return this.hear('payments.completed', data, context);
  }

  @JetStreamEvent(hears('order', 'payments.failed'))
  paymentFailed(@Payload() data: contracts.PaymentsFailed, @Ctx() context: JetStreamContext) {
    return this.hear('payments.failed', data, context);
  }

  @JetStreamEvent(hears('order', 'payments.refunded'))
  paymentRefunded(@Payload() data: contracts.PaymentsRefunded, @Ctx() context: JetStreamContext) {
    return this.hear('payments.refunded', data, context);
  }

  @JetStreamEvent(hears('order', 'inventory.reserved'))
  inventoryReserved(@Payload() data: contracts.InventoryReserved, @Ctx() context: JetStreamContext) {
    return this.hear('inventory.reserved', data, context);
  }

  @JetStreamEvent(hears('order', 'inventory.rejected'))
  inventoryRejected(@Payload() data: contracts.InventoryRejected, @Ctx() context: JetStreamContext) {
    return this.hear('inventory.rejected', data, context);
  }

  @JetStreamEvent(hears('order', 'inventory.released'))
  inventoryReleased(@Payload() data: contracts.InventoryReleased, @Ctx() context: JetStreamContext) {
    return this.hear('inventory.released', data, context);
  }

  @JetStreamEvent(hears('order', 'notifications.sent'))
  notificationSent(@Payload() data: contracts.NotificationsSent, @Ctx() context: JetStreamContext) {
    return this.hear('notifications.sent', data, context);
  }

  @JetStreamEvent(hears('order', 'notifications.failed'))
  notificationFailed(@Payload() data: contracts.NotificationsFailed, @Ctx() context: JetStreamContext) {
    return this.hear('notifications.failed', data, context);
  }

  private async hear<T extends Heard<'order'>>(
    type: T,
    data: contracts.EventData<T>,
    { event, durable }: JetStreamContext,
  ): Promise<void> {
    await this.orders.handle({ type, orderId: event.subject, data } as OrderMessage, { id: event.id, durable });
  }
}
