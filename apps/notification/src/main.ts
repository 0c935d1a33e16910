import { runService } from '@pavane/service';
import { NotificationModule } from './notification.module.js';

await runService(NotificationModule);
