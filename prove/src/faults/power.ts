import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { startNats } from '@pavane/testing/servers';
import { Disk } from '../machine/disk.js';
import { type NatsOnDisk, natsOn, type Syncing } from '../machine/nats-on-disk.js';
import type { Scene } from '../scene.js';
import type { Fault, Stage } from './fault.js';
import { replayOutboxes } from './replay.js';

/** A loss of power: of what nats-server stored, only what was synced is there when it comes back. */
export const power: readonly Fault[] = [
  {
    ...onLazyDisk({}),
    name: 'power-loss',
    about:
      'the power of nats-server fails; it comes back with its streams as they were some seconds before, and the outboxes are replayed',
    async run(scene) {
      const since = new Date();
      await scene.accepted(60);
      await (scene.platform.nats as NatsOnDisk).disk.sync();
      await scene.accepted(60);
      await losePower(scene, { expected: true });
      // Before anybody has noticed, the platform works with what there is.
      await scene.accepted(40);
      await scene.platform.provision();
      await replayOutboxes(scene, since);
    },
  },
  {
    ...onLazyDisk({}),
    name: 'power-loss-everything',
    about:
      'the power of nats-server fails before anything was synced: no stream is left, and the outboxes are replayed',
    async run(scene) {
      const since = new Date(Date.now() - 60_000);
      await scene.accepted(60);
      await losePower(scene, { expected: true });
      await scene.accepted(40);
      await scene.platform.provision();
      await replayOutboxes(scene, since);
    },
  },
  {
    ...onLazyDisk({ syncInterval: 'always' }),
    name: 'power-loss-sync-always',
    about: 'the power of a nats-server with sync_interval: always fails; nothing is missing and nothing replayed',
    async run(scene) {
      await scene.accepted(120);
      await losePower(scene, { expected: false });
    },
  },
];

function onLazyDisk(syncing: Syncing): Pick<Fault, 'needs' | 'unmet' | 'stage'> {
  return {
    needs: 'root',
    unmet: () => Disk.unmet('lazy'),
    async stage(): Promise<Stage> {
      const lazy = await Disk.lazy();
      return { options: { broker: natsOn(lazy, syncing) }, dispose: () => lazy.remove() };
    },
  };
}

/** Counts what was lost, and is not content when that is otherwise than expected: then it tested nothing, or too much. */
async function losePower(scene: Scene, { expected }: { expected: boolean }): Promise<void> {
  const nats = scene.platform.nats as NatsOnDisk;
  const before = await lastSequences(await scene.nc());
  scene.kills.servers++;
  await nats.stop('SIGKILL');
  await nats.disk.losePower();
  const after = await survivors(nats, join(scene.platform.settings.dir, 'survived'));
  await nats.restart();
  const lost = [...before].flatMap(([stream, last]) => {
    const missing = last - (after.get(stream) ?? 0);
    return missing > 0
      ? [`${missing} of ${last} messages of ${stream}${after.has(stream) ? '' : ' and the stream itself'}`]
      : [];
  });
  const told = lost.length > 0 ? `lost ${lost.join(', ')}` : 'lost nothing it had acknowledged';
  scene.notes.push(`nats-server ${told}`);
  if (lost.length > 0 !== expected) scene.violations.push(`nats-server ${told}, which is not what was to be shown`);
}

/** The last sequence of every stream: what was acknowledged has one that is not higher. */
async function lastSequences(nc: NatsConnection): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  for await (const { config, state } of jsm.streams.list()) found.set(config.name, state.last_seq);
  return found;
}

/** What is there before anybody publishes again: seen in a copy, so that nothing is mended by the look. */
async function survivors({ disk }: NatsOnDisk, dir: string): Promise<Map<string, number>> {
  cpSync(join(disk.path, 'jetstream'), join(dir, 'jetstream'), { recursive: true });
  await using copy = await startNats({ dir });
  const nc = await connect({ servers: copy.url });
  try {
    return await lastSequences(nc);
  } finally {
    await nc.close();
  }
}
