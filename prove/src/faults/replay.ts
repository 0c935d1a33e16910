import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Addresses, ROOT, SERVICES } from '@pavane/tools';
import type { Scene } from '../scene.js';
import type { Fault } from './fault.js';

/** What is mended by refilling the streams from the outboxes. */
export const replay: readonly Fault[] = [
  {
    name: 'durable-deleted',
    about:
      'a durable of the saga is deleted by mistake; what it should have heard is acknowledged and gone; it is made again, and the outboxes are replayed',
    // What keeps coming would keep what came before: AUDIT holds it until there is a pause.
    stage: () => ({ perSecond: 0 }),
    async run(scene) {
      const since = new Date();
      const jsm = await scene.jsm();
      await jsm.consumers.delete('SAGA', 'inventory_payments-completed');
      scene.clients.send(60);
      await scene.clients.settled();
      await scene.until('SAGA holds none of it any more', async () => {
        const { state } = await jsm.streams.info('SAGA');
        return state.last_seq > 60 && state.messages === 0;
      });
      await scene.platform.provision();
      // At once: the broker still remembers the ids of what it no longer has.
      await replayOutboxes(scene, since);
    },
  },
];

/** What an operator does once the broker is back: `npm run outbox -- replay --since TIME`. */
export async function replayOutboxes({ platform, notes }: Scene, since: Date): Promise<void> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(ROOT, 'tools/dist/outbox.js'), 'replay', '--since', since.toISOString(), '--json'],
    { env: { ...process.env, ...databasesOf(platform.addresses) } },
  );
  const replayed = JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, { replayed: number }>;
  notes.push(`${Object.values(replayed).reduce((sum, of) => sum + of.replayed, 0)} events were replayed`);
}

function databasesOf({ databases }: Addresses): Record<string, string> {
  return Object.fromEntries(SERVICES.map((service) => [`${service.toUpperCase()}_DATABASE_URL`, databases[service]]));
}
