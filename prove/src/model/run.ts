import { judge } from '@pavane/tools';
import { Adversary } from './adversary.js';
import { evidenceOf } from './evidence.js';
import type { Scenario } from './scenario.js';
import { type Watching, World } from './world.js';

/** A run without faults is over long before; one that is not has come into a circle. */
const MOST_QUIET_STEPS = 5000;

/** How a run ended. */
export interface Result {
  /** The promise that was broken, if one was. */
  violation: string | undefined;
  steps: number;
  world: World;
}

/** Plays a scenario: first with faults, then without until nothing is left to do; then judges what is left. */
export function play(scenario: Scenario, watching: Watching = {}): Result {
  const world = new World(scenario, watching);
  const adversary = new Adversary(world);
  let steps = 0;
  while (steps < scenario.steps && !world.violation) {
    adversary.act();
    steps++;
  }
  world.chance.isQuiet = true;
  watching.tell?.('from here on no fault strikes');
  let isAtRest = false;
  while (!isAtRest && !world.violation && steps < scenario.steps + MOST_QUIET_STEPS) {
    isAtRest = !world.proceed() && !world.wait();
    steps++;
  }
  return { violation: world.violation ?? (isAtRest ? judged(world) : 'it does not come to rest'), steps, world };
}

function judged(world: World): string | undefined {
  const accepted = world.customers.map(({ orderId }) => orderId ?? 'of somebody who never got an answer');
  const broken = judge(evidenceOf(world), { accepted }).find(({ holds }) => !holds);
  if (broken) return `${broken.name}: ${broken.detail}`;
  if (world.order.rows.size !== world.customers.length)
    return `${world.customers.length} customers have ${world.order.rows.size} orders`;
  const betrayed = world.customers.find(
    ({ orderId, cancelled }) => cancelled && world.order.load(orderId!).reason !== 'customer_request',
  );
  return betrayed && `the customer of ${betrayed.orderId} was told that it is cancelled, and it is not`;
}
