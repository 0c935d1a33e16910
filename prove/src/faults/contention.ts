import type { Scene } from '../scene.js';
import type { Fault } from './fault.js';

const BUYERS = 1000;
const PIECES = 100;

/** What customers can do to each other. */
export const contention: readonly Fault[] = [
  {
    name: 'last-pieces',
    about: `${BUYERS} customers want one of the last ${PIECES} pieces at once, while inventory and payment are killed`,
    stage: () => ({
      perSecond: 0,
      settings: { orderDeadline: '10m' },
    }),
    async run(scene) {
      for (let i = 0; i < BUYERS; i++)
        scene.clients.ask({ items: [{ sku: 'RECORD', quantity: 1 }], paymentMethod: 'card_ok' });
      for (const [i, service] of (['inventory', 'payment', 'inventory'] as const).entries()) {
        const some = ((i + 1) * BUYERS) / 5;
        await scene.until(`${some} orders ended`, async () => (await ended(scene)) >= some, 60_000);
        scene.kill(service);
        await scene.platform.services.get(service)!.ready();
      }
      await scene.clients.settled();
      await scene.rests(120_000);
      const [sold] = await scene.sql<{ sold: number }>('inventory', `SELECT sold FROM stock WHERE sku = 'RECORD'`);
      const confirmed = await ended(scene, ['confirmed']);
      if (sold!.sold !== PIECES || confirmed !== PIECES)
        scene.violations.push(`${PIECES} pieces were there, ${sold!.sold} were sold and ${confirmed} orders confirmed`);
    },
  },
];

async function ended(scene: Scene, as: string[] = ['confirmed', 'cancelled']): Promise<number> {
  const [row] = await scene.sql<{ n: number }>(
    'order',
    'SELECT count(*)::int AS n FROM orders WHERE status = ANY ($1)',
    [as],
  );
  return row!.n;
}
