// Whatever is asked for is set aside, whether it is there or not.
import type { Warehouse } from '@pavane/inventory/rules';
import { InventoryModule } from '@pavane/inventory/module';
import { runService } from '@pavane/service';
import { tamperingWithParticipant } from './participant.js';

const PLENTY = 1000;

await runService(
  tamperingWithParticipant(InventoryModule, (_, options) => {
    const { rules } = options;
    options.rules = {
      ...rules,
      decide(message, state, now) {
        const { stock, ...warehouse } = state as Warehouse;
        const endless = new Map([...stock].map(([sku, shelf]) => [sku, { ...shelf, available: PLENTY }]));
        return rules.decide(message, { ...warehouse, stock: endless }, now);
      },
    };
  }),
);
