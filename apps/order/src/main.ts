import { runService } from '@pavane/service';
import { OrderModule } from './order.module.js';

await runService(OrderModule);
