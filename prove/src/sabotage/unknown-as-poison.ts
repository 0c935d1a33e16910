// What fails for an unknown reason is taken for the fault of the message; that the database is away is not.
import { InventoryModule } from '@pavane/inventory/module';
import { Unprocessable } from '@pavane/jetstream';
import { isAway } from '@pavane/outbox';
import { runService } from '@pavane/service';
import { tamperingWithParticipant } from './participant.js';

await runService(
  tamperingWithParticipant(InventoryModule, (participant) => {
    const handle = participant.handle.bind(participant);
    participant.handle = (message, delivery) =>
      handle(message, delivery).catch((error: Error) => {
        if (isAway(error.cause ?? error)) throw error;
        throw new Unprocessable('it did not work', { cause: error });
      });
  }),
);
