// A message is taken off the stream before its dead letter is stored.
import { InventoryModule } from '@pavane/inventory/module';
import { type JetStreamConnection, JetStreamServer, seam } from '@pavane/jetstream';
import { runService } from '@pavane/service';
import { tampering } from './replace.js';

interface DeadLetters {
  connection: JetStreamConnection;
  bury(received: { message: { reply: string }; binding: { durable: string } }, failure: object): Promise<void>;
}

await runService(
  tampering(InventoryModule, JetStreamServer, (server) => {
    const { deadLetters } = (server as unknown as { shared: { deadLetters: DeadLetters } }).shared;
    const bury = deadLetters.bury.bind(deadLetters);
    deadLetters.bury = async (received, failure) => {
      await deadLetters.connection.nc.request(received.message.reply, '+TERM', { timeout: 5000 });
      seam('copied', received.binding.durable);
      await bury(received, failure);
    };
  }),
);
