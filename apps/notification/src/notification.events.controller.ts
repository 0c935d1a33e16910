import { Controller } from '@nestjs/common';
import { type FlagTable, type OrdersCancelled, type OrdersConfirmed, subscriptionsOf } from '@pavane/contracts';
import { Flags } from '@pavane/flags';
import { type JetStreamContext, JetStreamEvents } from '@pavane/jetstream';
import { mailOf } from './notification.mail.js';
import { Mailer } from './notification.mailer.js';
import { NotificationDatabase, Notifications } from './notification.store.js';
import type { NotificationMessage, Result } from './notification.js';

/** The events of the notification service: one method for each row of the saga table. */
@Controller()
@JetStreamEvents(subscriptionsOf('notification'))
export class NotificationEventsController {
  constructor(
    private readonly notifications: Notifications,
    private readonly database: NotificationDatabase,
    private readonly mailer: Mailer,
    private readonly flags: Flags<FlagTable>,
  ) {}

  ordersConfirmed(data: OrdersConfirmed, context: JetStreamContext): Promise<void> {
    return this.tell({ type: 'orders.confirmed', orderId: context.event.subject, data }, context);
  }

  ordersCancelled(data: OrdersCancelled, context: JetStreamContext): Promise<void> {
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
