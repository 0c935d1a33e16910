import type { Scene } from '../scene.js';
import type { Fault } from './fault.js';

const ORDERS = 60;

/** What a step of the saga meets when the one before it is late. */
export const orderOfEvents: readonly Fault[] = [
  {
    name: 'overtaken',
    about: 'cancellations overtake the orders they cancel on their way to payment, and to inventory',
    stage: () => ({ perSecond: 0 }),
    async run(scene) {
      for (const [late, overtakes] of [
        ['payment_orders-created', 'payment_orders-cancelled'],
        ['inventory_payments-completed', 'inventory_orders-cancelled'],
      ] as const) {
        const jsm = await scene.jsm();
        await jsm.consumers.pause('SAGA', late, new Date(Date.now() + 60_000));
        const before = scene.clients.accepted.length;
        for (let i = 0; i < ORDERS; i++)
          scene.clients.ask({ items: [{ sku: 'CUP', quantity: 1 }], paymentMethod: 'card_ok', cancels: true });
        await scene.clients.settled();
        await scene.until(`${overtakes} has heard of every cancellation`, async () => {
          const { num_pending, num_ack_pending } = await jsm.consumers.info('SAGA', overtakes);
          const cancelled = await cancelledSince(scene, before);
          return cancelled === ORDERS && num_pending + num_ack_pending === 0;
        });
        await jsm.consumers.resume('SAGA', late);
      }
    },
  },
];

async function cancelledSince(scene: Scene, from: number): Promise<number> {
  const [row] = await scene.sql<{ n: number }>(
    'order',
    `SELECT count(*)::int AS n FROM orders WHERE status = 'cancelled' AND id = ANY ($1::uuid[])`,
    [scene.clients.accepted.slice(from)],
  );
  return row!.n;
}
