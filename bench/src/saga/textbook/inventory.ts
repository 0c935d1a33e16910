import { InventoryModule } from '@pavane/inventory/module';
import { runService } from '@pavane/service';
import { asInTheTextbook } from './service.js';

await runService(asInTheTextbook(InventoryModule));
