// That the database is away is taken for the fault of the message.
import { InventoryModule } from '@pavane/inventory/module';
import { Unprocessable } from '@pavane/jetstream';
import { runService } from '@pavane/service';
import { tamperingWithParticipant } from './participant.js';

await runService(
  tamperingWithParticipant(InventoryModule, (participant) => {
    const handle = participant.handle.bind(participant);
    participant.handle = (message, delivery) =>
      handle(message, delivery).catch((cause: unknown) => {
        throw new Unprocessable('it did not work', { cause });
      });
  }),
);
