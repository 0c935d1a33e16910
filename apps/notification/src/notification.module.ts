import { Module } from '@nestjs/common';
import { flags, outboundOf, subscriptionsOf } from '@pavane/contracts';
import { OutboxModule } from '@pavane/outbox';
import { ServiceModule } from '@pavane/service';
import { NotificationConfig } from './notification.config.js';
import { NotificationEventsController } from './notification.events.controller.js';
import { Mailer } from './notification.mailer.js';
import { NotificationDatabase, Notifications, NotificationStore } from './notification.store.js';
import { decide, evolve, newNotification } from './notification.js';

@Module({
  imports: [
    ServiceModule.forRoot({
      name: 'notification',
      subscriptions: subscriptionsOf('notification'),
      config: NotificationConfig,
      flags,
      migrations: new URL('../prisma/migrations/', import.meta.url),
    }),
    OutboxModule.forParticipant({
      participant: Notifications,
      store: NotificationStore,
      rules: { aggregateOf: ({ orderId }) => orderId, initial: newNotification, decide, evolve },
      outbound: outboundOf('notification'),
    }),
  ],
  controllers: [NotificationEventsController],
  providers: [Mailer, NotificationDatabase],
})
export class NotificationModule {}
