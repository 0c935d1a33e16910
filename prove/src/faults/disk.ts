import { Disk } from '../machine/disk.js';
import { type NatsOnDisk, natsOn } from '../machine/nats-on-disk.js';
import type { Scene } from '../scene.js';
import type { Fault, Stage } from './fault.js';

const MEGABYTES = 48;
/** Customers come so long to a platform whose broker stores nothing. */
const FULL_MS = 8000;

/** What can happen to the disk nats-server keeps its streams on. */
export const disk: readonly Fault[] = [
  {
    name: 'disk-full',
    about: `the disk of nats-server (${MEGABYTES} MB) is full, publishes fail; then there is room again, and it is restarted`,
    needs: 'root',
    unmet: () => Disk.unmet('small'),
    async stage(): Promise<Stage> {
      const small = await Disk.small(MEGABYTES);
      return { options: { broker: natsOn(small) }, dispose: () => small.remove() };
    },
    async run(scene) {
      const nats = scene.platform.nats as NatsOnDisk;
      await nats.disk.fill();
      await scene.until('events wait in the outboxes', async () => (await waiting(scene)) > 20, 60_000);
      await scene.lasts(FULL_MS);
      scene.notes.push(`${await waiting(scene)} events waited in the outboxes, healthz ${await healthz(nats)}`);
      await nats.disk.free();
      // It does not recover by itself.
      await nats.restart();
    },
  },
];

/** How many orders have events that the broker has not taken. */
async function waiting(scene: Scene): Promise<number> {
  const [row] = await scene.sql<{ n: number }>(
    'order',
    'SELECT count(*)::int AS n FROM messaging.outbox WHERE published_at IS NULL',
  );
  return row!.n;
}

async function healthz({ monitorUrl }: NatsOnDisk): Promise<number> {
  return (await fetch(`${monitorUrl}/healthz`)).status;
}
