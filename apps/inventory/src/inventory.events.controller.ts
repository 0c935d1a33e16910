import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { hears, OrdersCancelled, OrdersConfirmed, PaymentsCompleted } from '@pavane/contracts';
import { JetStreamContext, JetStreamEvent } from '@pavane/jetstream';
import { Participant } from '@pavane/outbox';
import type { InventoryFact, InventoryMessage, Warehouse } from './inventory.js';

/** The event door of the inventory service: one method per row of the saga table. */
@Controller()
export class InventoryEventsController {
  constructor(private readonly inventory: Participant<Warehouse, InventoryMessage, InventoryFact>) {}

  @JetStreamEvent(hears('inventory', 'payments.completed'))
  async paymentCompleted(
    @Payload() data: PaymentsCompleted,
    @Ctx() { event, durable }: JetStreamContext,
  ): Promise<void> {
    await this.inventory.handle(
      { type: 'payments.completed', orderId: event.subject, data },
      { id: event.id, durable },
    );
  }

  @JetStreamEvent(hears('inventory', 'orders.confirmed'))
  async orderConfirmed(@Payload() data: OrdersConfirmed, @Ctx() { event, durable }: JetStreamContext): Promise<void> {
    await this.inventory.handle({ type: 'orders.confirmed', orderId: event.subject, data }, { id: event.id, durable });
  }

  @JetStreamEvent(hears('inventory', 'orders.cancelled'))
  async orderCancelled(@Payload() data: OrdersCancelled, @Ctx() { event, durable }: JetStreamContext): Promise<void> {
    await this.inventory.handle({ type: 'orders.cancelled', orderId: event.subject, data }, { id: event.id, durable });
  }
}
