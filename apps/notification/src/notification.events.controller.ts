import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { type FlagTable, hears, OrdersCancelled, OrdersConfirmed } from '@pavane/contracts';
import { Flags } from '@pavane/flags';
import { JetStreamContext, JetStreamEvent } from '@pavane/jetstream';
import { Participant } from '@pavane/outbox';
import { mailOf } from './notification.mail.js';
import { Mailer } from './notification.mailer.js';
import { NotificationDatabase } from './notification.store.js';
import { type Notification, type NotificationFact, type NotificationMessage, type Result } from './notification.js';

/** The event door of the notification service: one method per row of the saga table. */
@Controller()
export class NotificationEventsController {
  constructor(
    private readonly notifications: Participant<Notification, NotificationMessage, NotificationFact>,
    private readonly database: NotificationDatabase,
    private readonly mailer: Mailer,
    private readonly flags: Flags<FlagTable>,
  ) {}

  @JetStreamEvent(hears('notification', 'orders.confirmed'))
  orderConfirmed(@Payload() data: OrdersConfirmed, @Ctx() context: JetStreamContext): Promise<void> {
    return this.tell({ type: 'orders.confirmed', orderId: context.event.subject, data }, context);
  }

  @JetStreamEvent(hears('notification', 'orders.cancelled'))
  orderCancelled(@Payload() data: OrdersCancelled, @Ctx() context: JetStreamContext): Promise<void> {
    return this.tell({ type: 'orders.cancelled', orderId: context.event.subject, data }, context);
  }

  private async tell(
    message: Exclude<NotificationMessage, { type: 'record' }>,
    { event, durable }: JetStreamContext,
  ): Promise<void> {
    const { orderId, data } = message;
    const delivery = { id: event.id, durable };
    if (await this.database.isRecorded(orderId)) return void (await this.notifications.handle(message, delivery));

    const result: Result = (await this.flags.boolean('notifications.email'))
      ? await this.mailer.send(mailOf(orderId, data))
      : { status: 'suppressed' };
    const outcome = message.type === 'orders.confirmed' ? 'confirmed' : 'cancelled';
    await this.notifications.handle({ type: 'record', orderId, data: { outcome, result } }, delivery);
  }
}
