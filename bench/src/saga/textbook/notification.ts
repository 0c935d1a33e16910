import { NotificationModule } from '@pavane/notification/module';
import { runService } from '@pavane/service';
import { asInTheTextbook } from './service.js';

await runService(asInTheTextbook(NotificationModule));
