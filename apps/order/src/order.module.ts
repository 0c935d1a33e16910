import { Module } from '@nestjs/common';
import { flags, outboundOf, subscriptionsOf } from '@pavane/contracts';
import { OutboxModule, participantController } from '@pavane/outbox';
import { ServiceModule } from '@pavane/service';
import { Catalogue, CatalogueHttpController } from './order.catalogue.js';
import { OrderConfig } from './order.config.js';
import { FollowersHttpController } from './order.followers.http.controller.js';
import { OrderFollowers } from './order.followers.js';
import { OrderHttpController } from './order.http.controller.js';
import { decide, evolve, newOrder } from './order.js';
import { OrderDatabase, Orders, OrderStore } from './order.store.js';
import { OrderSweeper } from './order.sweeper.js';
import { OrderViews } from './order.views.js';

@Module({
  imports: [
    // Orders are accepted into the outbox while the broker is away.
    ServiceModule.forRoot({
      name: 'order',
      subscriptions: subscriptionsOf('order'),
      config: OrderConfig,
      flags,
      migrations: new URL('../prisma/migrations/', import.meta.url),
      readiness: { broker: false },
    }),
    OutboxModule.forParticipant({
      participant: Orders,
      store: OrderStore,
      rules: { aggregateOf: ({ orderId }) => orderId, initial: newOrder, decide, evolve },
      outbound: outboundOf('order'),
    }),
  ],
  controllers: [
    OrderHttpController,
    FollowersHttpController,
    CatalogueHttpController,
    participantController(subscriptionsOf('order'), Orders),
  ],
  providers: [OrderDatabase, OrderViews, OrderFollowers, Catalogue, OrderSweeper],
})
export class OrderModule {}
