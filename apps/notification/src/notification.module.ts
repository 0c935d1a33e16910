import { Module } from '@nestjs/common';
import { flags, outboundOf } from '@pavane/contracts';
import { OutboxModule } from '@pavane/outbox';
import { ServiceModule } from '@pavane/service';
import { NotificationConfig } from './notification.config.js';
import { NotificationEventsController } from './notification.events.controller.js';
import { Mailer } from './notification.mailer.js';
import { NotificationDatabase, NotificationStore } from './notification.store.js';
import { decide, evolve, newNotification } from './notification.js';

@Module({
  imports: [
    ServiceModule.forRoot({
      name: 'notification',
      config: NotificationConfig,
      flags,
      migrations: new URL('../prisma/migrations/', import.meta.url),
    }),
    OutboxModule.forParticipant({
      store: NotificationStore,
      rules: { aggregateOf: ({ orderId }) => orderId, initial: newNotification, decide, evolve },
      outbound: outboundOf('notification'),
    }),
  ],
  controllers: [NotificationEventsController],
  providers: [Mailer, NotificationDatabase],
})
export class NotificationModule {}
