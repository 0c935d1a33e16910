import { Module } from '@nestjs/common';
import { flags, outboundOf } from '@pavane/contracts';
import { OutboxModule } from '@pavane/outbox';
import { ServiceConfig, ServiceModule } from '@pavane/service';
import { InventoryEventsController } from './inventory.events.controller.js';
import { StockHttpController } from './inventory.http.controller.js';
import { InventoryDatabase, InventoryStore, WAREHOUSE } from './inventory.store.js';
import { decide, emptyWarehouse, evolve } from './inventory.js';

@Module({
  imports: [
    ServiceModule.forRoot({
      name: 'inventory',
      config: ServiceConfig,
      flags,
      migrations: new URL('../prisma/migrations/', import.meta.url),
    }),
    OutboxModule.forParticipant({
      store: InventoryStore,
      rules: { aggregateOf: () => WAREHOUSE, initial: emptyWarehouse, decide, evolve },
      outbound: outboundOf('inventory'),
    }),
  ],
  controllers: [InventoryEventsController, StockHttpController],
  providers: [InventoryDatabase],
})
export class InventoryModule {}
