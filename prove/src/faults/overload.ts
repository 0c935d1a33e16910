import type { Wish } from '../clients.js';
import type { Scene } from '../scene.js';
import type { Fault } from './fault.js';

const DEADLINE_MS = 30_000;
/** Nobody whose card or stock fails: whoever is let in is to be confirmed. */
const WISHES: readonly Wish[] = [{ items: [{ sku: 'TEAPOT', quantity: 1 }], paymentMethod: 'card_ok' }];
const WARM_UP_MS = 10_000;
const MEASURED_MS = 5_000;
const LASTS_MS = 15_000;
/** More customers than any platform on one machine serves; so many at a time. */
const MANY = { perSecond: 1000, atMost: 64 };
/** Of the orders that were let in. */
const LEAST_CONFIRMED = 0.95;

/** More customers than can be served. */
export const overload: readonly Fault[] = [2, 5].map((factor) => ({
  name: `overload-${factor}x`,
  about: `customers come at ${factor} times the rate at which orders can be confirmed`,
  stage: () => ({ perSecond: 0, wishes: WISHES, settings: { orderDeadline: `${DEADLINE_MS / 1000}s` } }),
  async run(scene) {
    const stopMany = scene.clients.keepComing(MANY.perSecond, MANY.atMost);
    await scene.lasts(WARM_UP_MS);
    const capacity = await confirmedASecond(scene, MEASURED_MS);
    stopMany();

    const since = new Date();
    const stop = scene.clients.keepComing(capacity * factor);
    const goodput = await confirmedASecond(scene, LASTS_MS);
    stop();
    await scene.until('every order ended', async () => (await pending(scene)) === 0, 2 * DEADLINE_MS);
    const [seen] = await scene.sql<{ orders: number; confirmed: number; p99Ms: number }>(
      'order',
      `SELECT count(*)::int AS orders, avg((status = 'confirmed')::int)::float8 AS confirmed,
         extract(epoch FROM percentile_cont(0.99) WITHIN GROUP (ORDER BY ended_at - created_at))::float8 * 1000 AS "p99Ms"
       FROM orders WHERE created_at >= $1`,
      [since],
    );
    const { orders, confirmed, p99Ms } = seen!;
    scene.notes.push(
      `${Math.round(goodput)} orders confirmed a second, of ${Math.round(capacity)} before; of ${orders} accepted ${(confirmed * 100).toFixed(1)} % confirmed, 99 % ended within ${(p99Ms / 1000).toFixed(1)} s`,
    );
    if (!(confirmed >= LEAST_CONFIRMED))
      scene.violations.push(
        `of ${orders} orders that were accepted only ${(confirmed * 100).toFixed(1)} % were confirmed`,
      );
    if (!(p99Ms <= DEADLINE_MS / 2))
      scene.violations.push(
        `it took ${(p99Ms / 1000).toFixed(1)} s until 99 % of the accepted orders had ended, more than half of their deadline`,
      );
  },
}));

async function confirmedASecond(scene: Scene, ms: number): Promise<number> {
  const [from, started] = [await confirmed(scene), performance.now()];
  await scene.lasts(ms);
  return ((await confirmed(scene)) - from) / ((performance.now() - started) / 1000);
}

const confirmed = (scene: Scene) => count(scene, 'confirmed');
const pending = (scene: Scene) => count(scene, 'pending');

async function count(scene: Scene, status: string): Promise<number> {
  const [row] = await scene.sql<{ n: number }>('order', 'SELECT count(*)::int AS n FROM orders WHERE status = $1', [
    status,
  ]);
  return row!.n;
}
