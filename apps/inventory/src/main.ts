import { runService } from '@pavane/service';
import { InventoryModule } from './inventory.module.js';

await runService(InventoryModule);
