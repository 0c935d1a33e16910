// A message is taken off the stream before its dead letter is stored.
import { InventoryModule } from '@pavane/inventory/module';
import { type JetStreamConnection, JetStreamServer, seam } from '@pavane/jetstream';
import { runService } from '@pavane/service';
import { tampering } from './replace.js';

interface DeadLetters {
  connection: JetStreamConnection;
  bury(message: { reply: string; info: { consumer: string } }, failure: object): Promise<void>;
}

await runService(
  tampering(InventoryModule, JetStreamServer, (server) => {
    const { shared } = server as unknown as { shared: { dispatcher: { parts: { deadLetters: DeadLetters } } } };
    const { deadLetters } = shared.dispatcher.parts;
    const bury = deadLetters.bury.bind(deadLetters);
    deadLetters.bury = async (message, failure) => {
      await deadLetters.connection.nc.request(message.reply, '+TERM', { timeout: 5000 });
      seam('copied', message.info.consumer);
      await bury(message, failure);
    };
  }),
);
