import { roomDurable } from '@pavane/jetstream';
import type { Scene } from '../../scene.js';
import type { Fault } from '../fault.js';
import { patiently, run } from './database.js';
import { allConfirmed, CONFIRMED_IN_THE_END } from './provider.js';

const STREAM = 'SAGA';
const DURABLE = 'inventory_payments-completed';

/** Shorter than the attempts of one order take, so that none of them is given up. */
const LASTS_MS = 3000;

/** What becomes of messages that wait while others are handled. */
export const waitingRoom: readonly Fault[] = [
  {
    name: 'waiting-room',
    about: `inventory fails with one order in five for ${LASTS_MS / 1000} s, and is killed between a copy in the waiting room and the end of its original`,
    stage: () => ({ ...patiently(), wishes: CONFIRMED_IN_THE_END, options: { injectable: true } }),
    async run(scene) {
      const inventory = scene.platform.services.get('inventory')!;
      await inventory.stop();
      await run(
        scene,
        'inventory',
        `CREATE FUNCTION fail_some() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF abs(hashtext(NEW.order_id::text)) % 5 = 0 THEN RAISE EXCEPTION 'fails for some'; END IF;
           RETURN NEW;
         END $$`,
        'CREATE TRIGGER fail_some BEFORE INSERT OR UPDATE ON reservations FOR EACH ROW EXECUTE FUNCTION fail_some()',
      );
      const { deaths } = inventory;
      scene.kills.services++;
      await inventory.start({ CRASH_AT: `parked:${DURABLE}:3` });
      await scene.until('inventory died of it', () => inventory.deaths > deaths);
      await inventory.ready();
      await scene.lasts(LASTS_MS);
      const parked = await everParked(scene);
      await run(scene, 'inventory', 'DROP FUNCTION fail_some CASCADE');
      scene.notes.push(`${parked} messages were in the waiting room`);
      if (parked === 0) scene.violations.push('nothing came into the waiting room');
      await scene.accepted(20);
    },
    judge: allConfirmed,
  },
];

/** What has been in there and gone back to the durable, or is on its way. */
async function everParked(scene: Scene): Promise<number> {
  const jsm = await scene.jsm();
  const { delivered, num_pending } = await jsm.consumers.info(
    'PARKED',
    roomDurable({ stream: STREAM, durable: DURABLE }),
  );
  const { state } = await jsm.streams.info('PARKED', { subjects_filter: `parked.wait.${STREAM}.${DURABLE}.>` });
  return delivered.consumer_seq + num_pending + Object.keys(state.subjects ?? {}).length;
}
