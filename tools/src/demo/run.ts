import { setTimeout as delay } from 'node:timers/promises';
import { expectedAfter } from '@pavane/contracts';
import { cancel, type Order, place, read } from './client.js';
import { type Scenario, SCENARIOS } from './scenarios.js';

/** A demo order that has been seen to its end. */
export interface Shown {
  scenario: Scenario;
  order: Order;
  /** Whether it ended as it must, with everything that had to follow. */
  asExpected: boolean;
}

const outcomeOf = (order: Order): string => order.reason ?? order.status;
/** Of an order that has ended, what is still to come: of each list one event. */
const missing = ({ status, history }: Order): (readonly string[])[] =>
  status === 'pending'
    ? []
    : expectedAfter(
        `orders.${status}`,
        history.map(({ event }) => event),
      );
const isDone = (order: Order): boolean => order.status !== 'pending' && missing(order).length === 0;

/** Places every demo order at once and calls `onEnd` for each as soon as it has ended and been seen to. */
export async function runDemo(url: string, onEnd: (shown: Shown) => void, withinMs = 60_000): Promise<Shown[]> {
  return Promise.all(
    SCENARIOS.map(async (scenario) => {
      const deadline = Date.now() + withinMs;
      let order = await place(url, scenario);
      if (scenario.cancels) await cancel(url, order.id);
      while (!isDone(order) && Date.now() < deadline) {
        await delay(100);
        order = await read(url, order.id);
      }
      const shown = { scenario, order, asExpected: outcomeOf(order) === scenario.expected && isDone(order) };
      onEnd(shown);
      return shown;
    }),
  );
}

/** An order's timeline, as a person likes to read it. */
export function timeline({ scenario, order, asExpected }: Shown): string {
  const start = Date.parse(order.history[0]?.at ?? '');
  const lines = order.history.map(
    ({ event, at }) => `     ${`+${((Date.parse(at) - start) / 1000).toFixed(2)} s`.padStart(9)}  ${event}`,
  );
  const total = `${(order.total.amount / 100).toFixed(2)} ${order.total.currency}`;
  const verdict = asExpected ? '✔' : '✘';
  const expected = [scenario.expected, ...missing(order).map((some) => some.join(' or '))].join(' with ');
  const wanted = asExpected ? '' : `   (expected ${expected})`;
  return [
    `  ${verdict} ${scenario.title}`,
    `     ${order.id}  ${total}  → ${outcomeOf(order)}${wanted}`,
    ...lines,
  ].join('\n');
}
