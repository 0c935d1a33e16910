/** A service whose handler takes its own process down when told to. Run by a test as a process of its own. */
import { JetStreamConnection } from '../connection/connection.js';
import type { JetStreamContext } from '../nest/jetstream.context.js';
import { JetStreamServer } from '../nest/jetstream.server.js';
import type { JetStreamOptions } from '../nest/options.js';
import { JetStreamPublisher } from '../publish/publisher.js';

const options: JetStreamOptions = { service: 'payment', connection: { servers: process.argv[2]! } };
const connection = new JetStreamConnection(options);
const server = new JetStreamServer(connection, new JetStreamPublisher(connection), options);
const handler = async (data: { deadly?: boolean }, context: JetStreamContext) => {
  // The innocent ones take longer, so that they are always under way when the process dies.
  await new Promise((resolve) => setTimeout(resolve, data.deadly ? 10 : 100));
  if (data.deadly) process.kill(process.pid, 'SIGKILL');
  process.stdout.write(`handled ${context.event.subject}\n`);
};
server.addHandler('orders.created.*', handler, true, { stream: 'SAGA', durable: 'payment_orders-created' });
server.listen(() => undefined);
