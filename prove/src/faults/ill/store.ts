import { SERVICES } from '@pavane/tools';
import type { Scene } from '../../scene.js';
import type { Fault } from '../fault.js';
import { patiently } from './database.js';

const ROUNDS = 2;
const FULL_MS = 12_000;
/** So many events wait that it is not by chance. */
const WAITING = 20;

/** What can be wrong with the room that streams have; what there is on the disk is another matter. */
export const store: readonly Fault[] = [
  {
    name: 'store-full',
    about: `SAGA has no room for anything more for ${FULL_MS / 1000} s, and then has room again, ${ROUNDS} times`,
    stage: patiently,
    async run(scene) {
      const jsm = await scene.jsm();
      for (let i = 0; i < ROUNDS; i++) {
        const { config } = await jsm.streams.info('SAGA');
        // What waits there stays, and when it has been taken there is still no room.
        await jsm.streams.update('SAGA', { ...config, max_bytes: 1 });
        const since = performance.now();
        await scene.until('events wait in the outboxes', async () => (await waiting(scene)) >= WAITING);
        await scene.lasts(Math.max(0, FULL_MS - (performance.now() - since)));
        scene.notes.push(`${await waiting(scene)} events waited in the outboxes`);
        await jsm.streams.update('SAGA', config);
        await scene.accepted(20);
      }
    },
  },
];

/** How many events the broker has not taken yet, in all outboxes. */
async function waiting(scene: Scene): Promise<number> {
  const counts = await Promise.all(
    SERVICES.map((service) =>
      scene.sql<{ n: number }>(
        service,
        `SELECT count(*)::int AS n FROM messaging.outbox WHERE published_at IS NULL AND quarantined IS NULL`,
      ),
    ),
  );
  return counts.reduce((sum, [row]) => sum + row!.n, 0);
}
