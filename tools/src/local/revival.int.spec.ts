import { createServer } from 'node:net';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { eventually, type NatsServer, startNats } from '@pavane/testing';
import { Revival } from './revival.js';

async function withStream<T>(nats: NatsServer, work: 'add' | 'info'): Promise<T> {
  const nc = await connect({ servers: nats.url });
  try {
    const { streams } = await jetstreamManager(nc);
    return (await (work === 'add' ? streams.add({ name: 'KEPT', subjects: ['kept'] }) : streams.info('KEPT'))) as T;
  } finally {
    await nc.close();
  }
}

it('a server that dies is tried again until it starts, each failure is told, and what it stored is there', async () => {
  const told: string[] = [];
  const revival = new Revival(
    'nats-server',
    () => nats,
    (name, how) => told.push(`${name}: ${how}`),
  );
  const squatter = createServer();
  await using nats = await startNats({
    onDeath: (how) => {
      squatter.listen(nats.port, '127.0.0.1');
      revival.died(how);
    },
  });
  await withStream(nats, 'add');

  process.kill(nats.pid, 'SIGKILL');
  await eventually(() => expect(told).toHaveLength(2));
  expect(told).toEqual([
    'nats-server: ended by SIGKILL',
    expect.stringMatching(/^nats-server: could not be started: .*\d/),
  ]);
  squatter.close();
  await eventually(() => withStream(nats, 'info'));
  await revival.end();
});

it('a server that was asked to stop stays stopped, and so does one that dies after the end', async () => {
  const told: string[] = [];
  const revival = new Revival(
    'nats-server',
    () => nats,
    (_, how) => told.push(how),
  );
  await using nats = await startNats({ onDeath: revival.died });
  await nats.stop();
  expect(told).toEqual([]);
  await nats.restart();
  expect(nats.running).toBe(true);
  await revival.end();
  process.kill(nats.pid, 'SIGKILL');
  await nats.exited;
  await revival.end();
  expect([told, nats.running]).toEqual([[], false]);
});
