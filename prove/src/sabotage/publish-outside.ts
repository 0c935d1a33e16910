// What follows from a message is published by the way, instead of being stored with it.
import { toHeaders } from '@pavane/jetstream';
import { OrderModule } from '@pavane/order/module';
import { runService } from '@pavane/service';
import { v7 as uuidv7 } from 'uuid';
import { tamperingWithParticipant } from './participant.js';

await runService(
  tamperingWithParticipant(OrderModule, (_, options) => {
    const { outbound } = options;
    options.outbound = (orderId, fact) => {
      const out = outbound(orderId, fact);
      if (!out) return undefined;
      const { subject, type, source, data } = out;
      const id = uuidv7();
      const headers = {
        ...toHeaders({ id, type, source, subject: orderId, time: new Date().toISOString() }),
        ...out.headers,
      };
      options.outlet.offer([{ id, aggregateId: orderId, subject, headers, data: JSON.stringify(data) }]);
      return undefined;
    };
  }),
);
