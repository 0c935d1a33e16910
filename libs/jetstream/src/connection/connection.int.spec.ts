import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { startNats } from '@pavane/testing/servers';
import { JetStreamConnection } from './connection.js';

it('a first server that accepts and says nothing does not keep a client from the next for long', async () => {
  await using nats = await startNats();
  const silent = createServer((socket) => void socket.resume().on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const first = `nats://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const connection = new JetStreamConnection({
    service: 'fixture',
    connection: { servers: [first, nats.url], noRandomize: true },
  });
  const started = performance.now();
  await connection.ready();
  // The client itself would wait 20 s.
  expect(performance.now() - started).toBeLessThan(12_000);
  expect(connection.nc.getServer()).toBe(new URL(nats.url).host);
  await connection.drain();
  silent.close();
});
