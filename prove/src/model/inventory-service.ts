import {
  decide,
  emptyWarehouse,
  evolve,
  type InventoryFact,
  type InventoryMessage,
  type Warehouse,
} from '@pavane/inventory/rules';
import type { Said } from './broker.js';
import { type Delivery, ModelParticipant, type Rules, type Table } from './participant.js';
import { ModelService, type Surroundings } from './service.js';
import type { Process, Work } from './work.js';

/** The inventory service: its event door. */
export class InventoryService
  extends ModelService<Warehouse, InventoryMessage, InventoryFact>
  implements Table<Warehouse, InventoryFact>
{
  readonly participant;
  warehouse: Warehouse;

  constructor(
    around: Surroundings,
    instances: number,
    private readonly initial: Record<string, number>,
  ) {
    super(around, instances);
    const stock = Object.entries(initial).map(
      ([sku, available]) => [sku, { available, reserved: 0, sold: 0 }] as const,
    );
    this.warehouse = { ...emptyWarehouse(), stock: new Map(stock) };
    const rules: Rules<Warehouse, InventoryMessage, InventoryFact> = {
      evolve,
      decide(message, warehouse, now) {
        const known = warehouse.reservations.has(message.orderId);
        if (around.sabotage === 'no-tombstone-at-inventory' && message.type === 'orders.cancelled' && !known) return [];
        if (around.sabotage === 'no-stock-check' && message.type === 'payments.completed' && !known) {
          return [{ type: 'inventory.reserved', data: { items: message.data.items } }];
        }
        return decide(message, warehouse, now);
      },
    };
    this.participant = new ModelParticipant('inventory', rules, this, around);
  }

  load(): Warehouse {
    return this.warehouse;
  }

  save(_: string, warehouse: Warehouse): void {
    this.warehouse = warehouse;
    for (const [sku, { available, reserved, sold }] of warehouse.stock) {
      if (Math.min(available, reserved, sold) < 0) this.around.violated(`the stock of ${sku} is negative`);
      if (available + reserved + sold !== this.initial[sku]) this.around.violated(`${sku} does not add up`);
    }
  }

  stateOf(orderId: string): string {
    return this.warehouse.reservations.get(orderId)?.status ?? 'none';
  }

  protected *hear(process: Process, { type, orderId, data }: Said, delivery: Delivery): Work {
    yield* this.handle(process, { type, orderId, data: JSON.parse(data) } as InventoryMessage, delivery);
  }
}
