import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { freePort } from '@pavane/testing/servers';
import { type Child, SERVICES } from '@pavane/tools';
import type { Scene } from '../../scene.js';
import type { Fault } from '../fault.js';
import { CONFIRMED_IN_THE_END, allConfirmed } from './provider.js';
import { readinessAt } from './readiness.js';

const SKEWS: Record<string, number> = { ahead: 5 * 60_000, behind: -5 * 60_000 };
const SKEWED_CLOCK = fileURLToPath(new URL('../../machine/skewed-clock.js', import.meta.url));
/** A process has started, and measured its clock, so soon on a busy machine. */
const SAYS_SO_WITHIN_MS = 20_000;
const TOGETHER_MS = 5000;
const LOOK_EVERY_MS = 200;

/** What can be wrong with the time. */
export const clock: readonly Fault[] = [
  {
    name: 'clock-skew',
    about:
      'a second instance of every service believes it is five minutes later, then earlier, than it is; then it is started again with the right clock',
    when: 'full',
    stage: () => ({ wishes: CONFIRMED_IN_THE_END, perSecond: 10, mostWaiting: 40 }),
    async run(scene) {
      const second = await Promise.all(SERVICES.map((service) => beside(scene, service)));
      const orders = [scene.platform.services.get('order')!, second[SERVICES.indexOf('order')]!];
      const stopBalancing = balance(scene, orders);
      try {
        for (const [is, skewMs] of Object.entries(SKEWS)) {
          await Promise.all(second.map((child) => startSkewed(scene, child, is, skewMs)));
          await scene.lasts(TOGETHER_MS);
          await Promise.all(second.map((child) => child.stop()));
        }
        await Promise.all(second.map((child) => child.start()));
        await scene.accepted(20);
      } finally {
        stopBalancing();
      }
    },
    judge: allConfirmed,
  },
];

async function beside({ platform }: Scene, service: (typeof SERVICES)[number]): Promise<Child> {
  const child = platform.serviceProcess(service, await freePort(), `${service}-2`);
  platform.instances.set(child.options.name, child);
  return child;
}

/** Starts an instance whose clock is wrong, and expects that it says so instead of being ready. */
async function startSkewed(scene: Scene, child: Child, is: string, skewMs: number): Promise<void> {
  const { name, readyUrl } = child.options;
  const env = { NODE_OPTIONS: `--import=${pathToFileURL(SKEWED_CLOCK).href}`, SKEW_MS: `${skewMs}` };
  // It is never ready, or should not be.
  void child.start(env).catch(() => undefined);
  let said = '';
  await scene
    .until(
      'it says that its clock is wrong',
      async () => {
        ({ said } = await readinessAt(readyUrl));
        return /clock/i.test(said);
      },
      SAYS_SO_WITHIN_MS,
    )
    .catch(() =>
      scene.violations.push(`${name}, five minutes ${is}, did not say that its clock is wrong, but: ${said}`),
    );
}

/** Sends customers to who is ready, as whatever stands before the instances does; what it returns ends that. */
function balance(scene: Scene, children: readonly Child[]): () => void {
  let ready: string[] = [];
  const over = new AbortController();
  const look = async () => {
    while (!over.signal.aborted) {
      const answers = await Promise.all(children.map(({ options }) => readinessAt(options.readyUrl)));
      ready = children.filter((_, i) => answers[i]!.ready).map(({ options }) => new URL(options.readyUrl).origin);
      await delay(LOOK_EVERY_MS);
    }
  };
  void look();
  const first = scene.platform.addresses.http.order;
  scene.clients.balance(() => (over.signal.aborted || ready.length === 0 ? first : scene.random.pick(ready)));
  return () => over.abort();
}
