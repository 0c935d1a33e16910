import { jetstream } from '@nats-io/jetstream';
import { durables, type Service } from '@pavane/contracts';
import { SERVICES } from '@pavane/tools';
import type { Scene } from '../scene.js';
import type { Fault } from './fault.js';

/** After the death of one service every order accepted before has ended so soon. */
const ENDS_WITHIN_MS = 10_000;

/** As payment's store has it. */
const STALE_INTENT_MS = 10_000;

/** Of a service that was looked into, the seams that divide an effect from what remembers it. */
const CHOSEN: Partial<Record<Service, readonly string[]>> = {
  order: ['committed:place'],
  payment: ['committed:intend', 'before-transaction:settle'],
  inventory: ['before-transaction:payments.completed', 'before-transaction:orders.confirmed'],
  notification: ['before-transaction:record'],
};

/** Every service comes to this seam, whatever it does: all is committed, and the broker does not know it yet. */
const handledFirst = (service: Service): string[] =>
  durables
    .filter((one) => one.service === service)
    .slice(0, 1)
    .map(({ durable }) => `handled:${durable}`);

/** Where each service dies. */
const DEATHS = SERVICES.flatMap((service) =>
  (CHOSEN[service] ?? handledFirst(service)).map((seam) => [service, seam] as const),
);

/** Deaths at chosen seams, each looked at alone. */
export const seams: readonly Fault[] = [
  {
    name: 'seam-sigkill',
    about:
      'SIGKILL of one service after the other where an effect is not yet remembered; all must have ended within 10 s',
    when: 'full',
    stage: () => ({ options: { injectable: true } }),
    async run(scene) {
      for (const [service, seam] of DEATHS) {
        await die(scene, service, seam);
        const died = performance.now();
        const before = [...scene.clients.accepted];
        await scene.platform.services.get(service)!.ready();
        let isLeft = false;
        const ended = await scene
          .until('the orders accepted before it have ended', async () => {
            isLeft ||= await leavesIntents(scene);
            return haveEnded(scene, before);
          })
          .then(() => true)
          .catch(() => false);
        const took = performance.now() - died;
        if (isLeft) scene.violations.push(`${service} died at ${seam}, and left an intent to payment's reconciler`);
        if (!ended || took > ENDS_WITHIN_MS)
          scene.violations.push(
            `${service} died at ${seam}, and orders accepted before had ${ended ? 'ended only' : 'not ended'} after ${(took / 1000).toFixed(1)} s`,
          );
      }
    },
  },
  {
    name: 'dead-letter-sigkill',
    about: 'SIGKILL of inventory between a dead letter and the end of its message',
    when: 'quick',
    stage: () => ({ options: { injectable: true } }),
    async run(scene) {
      const durable = 'inventory_payments-completed';
      // The other listener of this subject refuses it as well.
      scene.deadLetters['order_payments-completed'] = 1;
      const { deaths } = scene.platform.services.get('inventory')!;
      await scene.platform.services.get('inventory')!.stop();
      const junk = `payments.completed.${scene.random.uuid()}`;
      await jetstream(await scene.nc()).publish(junk, 'not an event');
      scene.deadLetters[durable] = 1;
      scene.kills.services++;
      await scene.platform.services.get('inventory')!.start({ CRASH_AT: `copied:${durable}:1` });
      await scene.until('inventory died of it', () => scene.platform.services.get('inventory')!.deaths > deaths);
      await scene.platform.services.get('inventory')!.ready();
    },
  },
];

async function die(scene: Scene, service: Service, seam: string): Promise<void> {
  const child = scene.platform.services.get(service)!;
  await child.stop();
  const { deaths } = child;
  scene.kills.services++;
  await child.start({ CRASH_AT: `${seam}:5` });
  await scene.until(`${service} died at ${seam}`, () => child.deaths > deaths);
}

/**
 * Whether an intent is about to be taken over by the reconciler, although the event it came from is not done with: the net
 * under a handler that remembers too early. One with an unknown outcome is made due at once, and is not meant.
 */
async function leavesIntents(scene: Scene): Promise<boolean> {
  const [row] = await scene.sql<{ n: number }>(
    'payment',
    `SELECT count(*)::int AS n FROM payments WHERE status = 'intended' AND NOT cancel_requested
       AND due_at = updated_at + $1 * interval '1 ms' AND due_at < now() + interval '500 ms'`,
    [STALE_INTENT_MS],
  );
  return row!.n > 0;
}

async function haveEnded(scene: Scene, orderIds: readonly string[]): Promise<boolean> {
  const [row] = await scene.sql<{ n: number }>(
    'order',
    `SELECT count(*)::int AS n FROM orders WHERE status = 'pending' AND id = ANY ($1::uuid[])`,
    [orderIds],
  );
  return row!.n === 0;
}
