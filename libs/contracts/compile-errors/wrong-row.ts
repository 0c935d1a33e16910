// A handler stands under its own row: orders.cancelled does not carry what orders.created does.
import { JetStreamEvents } from '@pavane/jetstream';
import { type OrdersCreated, subscriptionsOf } from '../src/index.js';

@JetStreamEvents(subscriptionsOf('payment'))
export class PaymentController {
  ordersCreated(_data: OrdersCreated): void {}
  ordersCancelled(_data: OrdersCreated): void {}
}
