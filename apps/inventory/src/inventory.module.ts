import { Module } from '@nestjs/common';
import { flags, outboundOf, subscriptionsOf } from '@pavane/contracts';
import { OutboxModule, participantController } from '@pavane/outbox';
import { ServiceConfig, ServiceModule } from '@pavane/service';
import { StockHttpController } from './inventory.http.controller.js';
import { Inventory, InventoryDatabase, InventoryStore, WAREHOUSE } from './inventory.store.js';
import { decide, emptyWarehouse, evolve } from './inventory.js';

@Module({
  imports: [
    ServiceModule.forRoot({
      name: 'inventory',
      subscriptions: subscriptionsOf('inventory'),
      config: ServiceConfig,
      flags,
      migrations: new URL('../prisma/migrations/', import.meta.url),
    }),
    OutboxModule.forParticipant({
      participant: Inventory,
      store: InventoryStore,
      rules: { aggregateOf: () => WAREHOUSE, initial: emptyWarehouse, decide, evolve },
      outbound: outboundOf('inventory'),
    }),
  ],
  controllers: [participantController(subscriptionsOf('inventory'), Inventory), StockHttpController],
  providers: [InventoryDatabase],
})
export class InventoryModule {}
