import { setTimeout as delay } from 'node:timers/promises';
import { place } from '@pavane/tools';
import type { Wish } from '../clients.js';
import type { Scene } from '../scene.js';
import type { Fault } from './fault.js';

const FOLLOWERS = 400;
const FOLLOWED = 10;
/** How long a followed order is under way. */
const CHARGE_MS = 25_000;
const MEASURED_MS = 6000;
/** An order may be placed so many times as slowly beside them; of what is short, chance makes a multiple. */
const MOST_SLOWED = 3;
const SHORT_MS = 50;
const GIVES_UP_MS = 60_000;
/** As a browser does, unless the stream says otherwise. */
const RECONNECT_MS = 1000;
const ENDING = /"orders\.(confirmed|cancelled)"/;

const buys = (paymentMethod: string): Wish => ({ items: [{ sku: 'CUP', quantity: 1 }], paymentMethod });

/** Those who look on while others work. */
export const followers: readonly Fault[] = [
  {
    name: 'followers',
    about: `${FOLLOWERS} followers of ${FOLLOWED} orders that take ${CHARGE_MS / 1000} s, while others order`,
    when: 'full',
    stage: () => ({ settings: { slowChargeMs: CHARGE_MS, orderDeadline: '60s' }, perSecond: 10, mostWaiting: 40 }),
    async run(scene) {
      const before = await postsFor(scene, MEASURED_MS);
      const orders = await Promise.all(Array.from({ length: FOLLOWED }, () => order(scene, 'card_slow')));
      const over = AbortSignal.timeout(GIVES_UP_MS);
      let answered = 0;
      const following = Array.from({ length: FOLLOWERS }, (_, i) =>
        follow(scene, orders[i % FOLLOWED]!, over, () => answered++),
      );
      await scene.until('every follower is answered', () => answered >= FOLLOWERS);
      const beside = await postsFor(scene, MEASURED_MS);
      const outcomes = await Promise.all(following);
      // Twice, or a machine that becomes busy meanwhile would be the followers' fault.
      const alone = Math.max(before, await postsFor(scene, MEASURED_MS));
      scene.notes.push(
        `half of the orders were placed within ${alone.toFixed(0)} ms, beside followers ${beside.toFixed(0)} ms`,
      );
      if (beside > MOST_SLOWED * alone + SHORT_MS)
        scene.violations.push(
          `beside ${FOLLOWERS} followers an order takes ${beside.toFixed(0)} ms to place instead of ${alone.toFixed(0)} ms`,
        );
      const told = (as: Told) => outcomes.filter((outcome) => outcome === as).length;
      scene.notes.push(`${told('the ending')} followers were told the ending, ${told('to go away')} to go away`);
      if (told('nothing') > 0 || told('the ending') === 0)
        scene.violations.push(`${told('nothing')} of ${FOLLOWERS} followers were never told how the order ended`);
    },
  },
];

async function order(scene: Scene, paymentMethod: string): Promise<string> {
  const { id } = await place(scene.platform.addresses.http.order, buys(paymentMethod), scene.random.uuid(), 30_000);
  scene.clients.accepted.push(id);
  return id;
}

/** Places one order after the other for so long, and resolves to how long half of them took at most, in milliseconds. */
async function postsFor(scene: Scene, ms: number): Promise<number> {
  const took: number[] = [];
  for (const until = performance.now() + ms; performance.now() < until;) {
    const asked = performance.now();
    await order(scene, 'card_ok');
    took.push(performance.now() - asked);
    await delay(50);
  }
  return took.toSorted((a, b) => a - b)[Math.floor(took.length / 2)]!;
}

type Told = 'the ending' | 'to go away' | 'nothing';

/** Follows an order as a browser does: comes back when the stream breaks off, and stays away when it is told to. */
async function follow(scene: Scene, orderId: string, signal: AbortSignal, onAnswer: () => void): Promise<Told> {
  const url = `${scene.platform.addresses.http.order}/orders/${orderId}/events`;
  let last = '';
  while (!signal.aborted) {
    try {
      const headers = { accept: 'text/event-stream', ...(last && { 'last-event-id': last }) };
      const answer = await fetch(url, { headers, signal });
      if (!last) onAnswer();
      if (answer.status !== 200) return 'to go away';
      let text = '';
      for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
        text += piece;
        if (ENDING.test(text)) {
          await answer.body!.cancel().catch(() => undefined);
          return 'the ending';
        }
        last = [...text.matchAll(/^id: ?(.+)$/gm)].at(-1)?.[1] ?? last;
      }
      await delay(RECONNECT_MS, undefined, { signal });
    } catch {
      await delay(RECONNECT_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  return 'nothing';
}
