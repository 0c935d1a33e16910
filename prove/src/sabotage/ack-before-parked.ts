// A message is taken off its stream before its copy is in the waiting room.
import { InventoryModule } from '@pavane/inventory/module';
import { type JetStreamConnection, JetStreamServer, seam } from '@pavane/jetstream';
import { runService } from '@pavane/service';
import { tampering } from './replace.js';

interface WaitingRoom {
  connection: JetStreamConnection;
  park(received: { message: { reply: string }; binding: { durable: string } }, ...how: unknown[]): Promise<void>;
}

await runService(
  tampering(InventoryModule, JetStreamServer, (server) => {
    const { room } = (server as unknown as { shared: { room: WaitingRoom } }).shared;
    const park = room.park.bind(room);
    room.park = async (received, ...how) => {
      await room.connection.nc.request(received.message.reply, '+ACK', { timeout: 5000 });
      seam('parked', received.binding.durable);
      await park(received, ...how);
    };
  }),
);
