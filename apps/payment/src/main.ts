import { runService } from '@pavane/service';
import { PaymentModule } from './payment.module.js';

await runService(PaymentModule);
