// The handler is done, and its message acked, while the transaction is still to come.
import { InventoryModule } from '@pavane/inventory/module';
import { runService } from '@pavane/service';
import { tamperingWithParticipant } from './participant.js';

await runService(
  tamperingWithParticipant(InventoryModule, (participant) => {
    const handle = participant.handle.bind(participant);
    participant.handle = (message, delivery) => {
      setTimeout(() => void handle(message, delivery).catch(() => undefined), 20);
      return Promise.resolve(undefined);
    };
  }),
);
