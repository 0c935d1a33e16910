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
      for (const service of ['inventory', 'payment', 'inventory'] as const) {
        await scene.accepted(BUYERS / 5);
        scene.kill(service);
        await scene.platform.services.get(service)!.ready();
      }
      await scene.clients.settled();
      await scene.rests(120_000);
      const [sold] = await scene.sql<{ sold: number }>('inventory', `SELECT sold FROM stock WHERE sku = 'RECORD'`);
      const [confirmed] = await scene.sql<{ n: number }>(
        'order',
        `SELECT count(*)::int AS n FROM orders WHERE status = 'confirmed'`,
      );
      if (sold!.sold !== PIECES || confirmed!.n !== PIECES)
        scene.violations.push(
          `${PIECES} pieces were there, ${sold!.sold} were sold and ${confirmed!.n} orders confirmed`,
        );
    },
  },
];
