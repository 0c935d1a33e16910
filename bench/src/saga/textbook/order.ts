import { OrderModule } from '@pavane/order/module';
import { runService } from '@pavane/service';
import { asInTheTextbook } from './service.js';

await runService(asInTheTextbook(OrderModule));
