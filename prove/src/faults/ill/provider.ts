import type { Wish } from '../../clients.js';
import { randomOf } from '../../random.js';
import type { Scene } from '../../scene.js';
import type { Fault, Stage } from '../fault.js';
import { ProviderDoor, WRONG_ANSWERS } from './provider-door.js';

const EACH_MS = 3000;
/** Who waits as Retry-After says may miss what comes next; but not as many as that. */
const MOST_MISSED = 3;

const buys = (paymentMethod: string): Wish => ({ items: [{ sku: 'CUP', quantity: 1 }], paymentMethod });
/** Orders that are confirmed, whatever the provider does to them on the way. */
export const CONFIRMED_IN_THE_END: readonly Wish[] = ['card_ok', 'card_ok', 'card_flaky', 'card_lost_reply'].map(buys);

let door: ProviderDoor;

/** What can be wrong with what the payment provider answers. */
export const wrongAnswers: readonly Fault[] = [
  {
    name: 'wrong-answers',
    about: `the payment provider, or somebody before it, answers ${Object.keys(WRONG_ANSWERS).join(', ')}, each for ${EACH_MS / 1000} s, and has done half of it nevertheless`,
    async stage({ settings: { ports }, seed }): Promise<Stage> {
      door = await ProviderDoor.before(ports.provider, Object.values(ports), randomOf(seed, 'wrong answers'));
      return {
        settings: { orderDeadline: '10m', env: { payment: { PROVIDER_URL: `http://127.0.0.1:${door.port}` } } },
        wishes: CONFIRMED_IN_THE_END,
        perSecond: 10,
        dispose: () => door.close(),
      };
    },
    async run(scene) {
      for (const wrong of Object.keys(WRONG_ANSWERS)) {
        door.answers(wrong);
        await scene.lasts(EACH_MS);
        door.answers(undefined);
        await scene.accepted(5);
      }
      const missed = Object.keys(WRONG_ANSWERS).filter((wrong) => !door.given.has(wrong));
      if (missed.length > MOST_MISSED) scene.violations.push(`nobody was answered with ${missed.join(', ')}`);
      scene.notes.push(`${[...door.given.values()].reduce((a, b) => a + b, 0)} wrong answers were given`);
      if (door.hurried > 0)
        scene.violations.push(`the provider was asked ${door.hurried} times sooner than its Retry-After had said`);
    },
    judge: allConfirmed,
  },
];

/** For scenes in which card and stock allow everything: whoever was not confirmed was harmed. */
export async function allConfirmed(scene: Scene): Promise<void> {
  const rows = await scene.sql<{ reason: string; n: number }>(
    'order',
    `SELECT coalesce(reason, status) AS reason, count(*)::int AS n FROM orders WHERE status <> 'confirmed' GROUP BY 1`,
  );
  for (const { reason, n } of rows)
    scene.violations.push(`${n} orders are ${reason}, and nothing was wrong with their cards or the stock`);
}
