// That the database is away counts as a failure of the message.
import { InventoryModule } from '@pavane/inventory/module';
import { RetryLater } from '@pavane/jetstream';
import { runService } from '@pavane/service';
import { tamperingWithParticipant } from './participant.js';

await runService(
  tamperingWithParticipant(InventoryModule, (participant) => {
    const handle = participant.handle.bind(participant);
    participant.handle = (message, delivery) =>
      handle(message, delivery).catch((error: unknown) => {
        throw error instanceof RetryLater ? new Error('it did not work') : error;
      });
  }),
);
