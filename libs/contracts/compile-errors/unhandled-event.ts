// Payment hears orders.cancelled as well.
import { JetStreamEvents } from '@pavane/jetstream';
import { subscriptionsOf } from '../src/index.js';

@JetStreamEvents(subscriptionsOf('payment'))
export class PaymentController {
  ordersCreated(): void {}
}
