// The inbox remembers an event as soon as the intent is stored, and whoever is remembered is done with.
import 'reflect-metadata';
import type { Type } from '@nestjs/common';
import { PaymentModule } from '@pavane/payment/module';
import { runService } from '@pavane/service';
import type { Pool } from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { AnyParticipant } from './participant.js';

interface Context {
  event: { id: string; subject: string };
  durable: string;
}
interface Door {
  payments: AnyParticipant;
  store: { pool: Pool };
  ordersCreated(data: object, context: Context): Promise<void>;
}

const [door] = Reflect.getMetadata('controllers', PaymentModule) as [Type<Door>];
const { ordersCreated } = door.prototype as Door;

async function hastily(this: Door, data: object, { event, durable }: Context): Promise<void> {
  const { rowCount } = await this.store.pool.query('SELECT FROM messaging.inbox WHERE event_id = $1 AND durable = $2', [
    event.id,
    durable,
  ]);
  if (rowCount) return;
  await this.payments.handle({ type: 'intend', orderId: event.subject, data }, { id: event.id, durable });
  await ordersCreated.call(this, data, { event: { ...event, id: uuidv7() }, durable });
}
// Nest finds the handler by what its decorators left on the function.
for (const key of Reflect.getMetadataKeys(ordersCreated) as unknown[])
  Reflect.defineMetadata(key, Reflect.getMetadata(key, ordersCreated), hastily);
(door.prototype as Door).ordersCreated = hastily;

await runService(PaymentModule);
