import { PaymentModule } from '@pavane/payment/module';
import { runService } from '@pavane/service';
import { asInTheTextbook } from './service.js';

await runService(asInTheTextbook(PaymentModule));
