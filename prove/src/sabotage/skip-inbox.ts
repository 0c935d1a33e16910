// A delivery that was handled before is handled again.
import { InventoryModule } from '@pavane/inventory/module';
import { runService } from '@pavane/service';
import { tamperingWithParticipant } from './participant.js';

await runService(
  tamperingWithParticipant(InventoryModule, (participant) => {
    const handle = participant.handle.bind(participant);
    participant.handle = (message) => handle(message);
  }),
);
