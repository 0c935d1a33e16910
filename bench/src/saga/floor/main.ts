// The saga as one process without a framework, written for speed alone. It writes the rows of all four services, publishes
// and acknowledges their messages, and asks the same provider and the same mail server; it knows only orders that end well,
// and gives up at the first thing that goes wrong.
import type { OrdersConfirmed, OrdersCreated, Service } from '@pavane/contracts';
import { Pool } from 'pg';
import { Broker } from './broker.js';
import { door } from './door.js';
import { reserve, sell } from './inventory.js';
import { Lane } from './lane.js';
import { Mail } from './mail.js';
import { mailOf, record } from './notification.js';
import { confirm, notePaid, noteTold, place } from './order.js';
import { capture, intend } from './payment.js';
import { Provider } from './provider.js';

const fail = (error: unknown): never => {
  console.error(error);
  process.exit(1);
};

const env = (name: string): string => process.env[name] ?? fail(new Error(`${name} is not set`));

const broker = await Broker.connect(env('NATS_URL'), fail);
const poolOf = (service: Service): Pool => {
  const url = new URL(env('DATABASE_URL'));
  url.pathname = `/${service}`;
  return new Pool({ connectionString: url.href, max: 1 });
};
const lane = (service: Service, pool = poolOf(service)): Lane => new Lane(service, pool, broker, fail);
const provider = new Provider(Number(env('PROVIDER_PORT')), fail);
const mail = new Mail(Number(env('SMTP_PORT')), fail);

const orders = poolOf('order');
const { rows: products } = await orders.query<{ sku: string; price: number; currency: string }>(
  'SELECT sku, price, currency FROM products',
);
const order = lane('order', orders);
const http = door(new Map(products.map(({ sku, ...price }) => [sku, price])), order.takes(place));
await broker.hear('order_payments-completed', order.takes(notePaid));
await broker.hear('order_inventory-reserved', order.takes(confirm));
await broker.hear('order_notifications-sent', order.takes(noteTold));

const payment = lane('payment');
const intending = payment.takes(intend);
const capturing = payment.takes(capture);
await broker.hear<OrdersCreated>('payment_orders-created', (heard) => {
  const charge = () => provider.charge(heard.orderId, heard.data, () => capturing(heard));
  intending({ ...heard, done: charge });
});

const inventory = lane('inventory');
await broker.hear('inventory_payments-completed', inventory.takes(reserve));
await broker.hear('inventory_orders-confirmed', inventory.takes(sell));

const recording = lane('notification').takes(record);
await broker.hear<OrdersConfirmed>('notification_orders-confirmed', (heard) => {
  const { to, text } = mailOf(heard);
  mail.send(to, text, () => recording(heard));
});

http.keepAliveTimeout = 60_000;
http.listen(Number(env('PORT')), env('HOST'));
process.once('SIGTERM', () => process.exit(0));
