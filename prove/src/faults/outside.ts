import type { Scene } from '../scene.js';
import type { Fault } from './fault.js';

/** Longer than payment waits for an answer, so that the outcome is unknown. */
const BEYOND_TIMEOUT_MS = 4000;

/** What can happen to those outside who are asked to do things: the payment provider and the mail server. */
export const outside: readonly Fault[] = [
  {
    name: 'provider-timeouts',
    about: 'the payment provider captures, and answers later than anybody waits',
    async run(scene) {
      await scene.faults('provider', { latencyMs: BEYOND_TIMEOUT_MS });
      await scene.lasts(8000);
      await scene.faults('provider');
    },
  },
  {
    name: 'provider-hangs',
    about: 'the payment provider takes requests and neither does nor answers anything',
    async run(scene) {
      await scene.faults('provider', { hang: true });
      await scene.lasts(8000);
      await scene.faults('provider');
    },
  },
  {
    name: 'provider-waits-for-customers',
    about:
      'every second payment waits for its customer at the bank: half of them come, while payment is killed or after, and the others never',
    stage: () => ({
      wishes: ['card_3ds', 'card_ok'].map((paymentMethod) => ({ items: [{ sku: 'CUP', quantity: 1 }], paymentMethod })),
      settings: { orderDeadline: '8s' },
    }),
    async run(scene) {
      for (let i = 0; i < 3; i++) {
        await scene.accepted(40);
        scene.kill('payment');
        await sendToBank(scene);
        await scene.platform.services.get('payment')!.ready();
        await sendToBank(scene);
      }
    },
  },
  {
    name: 'provider-sigkill',
    about: 'SIGKILL of the payment provider, three times',
    run: (scene) => killThrice(scene, 'provider'),
  },
  {
    name: 'refunds-fail',
    about: 'the next 60 refunds are refused with 503, the first tries of many orders',
    stage: () => ({ wishes: [{ items: [{ sku: 'GHOST', quantity: 1 }], paymentMethod: 'card_ok' }] }),
    async run(scene) {
      await scene.faults('provider', { refundFailures: 60 });
      await scene.accepted(100);
      await scene.until('every refusal was used up', async () => (await refusalsLeft(scene)) === 0, 60_000);
    },
  },
  {
    name: 'mail-sigkill',
    about: 'SIGKILL of the mail server, three times',
    run: (scene) => killThrice(scene, 'mail'),
  },
  {
    name: 'mail-hangs',
    about: 'the mail server takes mails and answers nothing, then puts the next 50 off (451)',
    async run(scene) {
      await scene.faults('mail', { hang: true });
      await scene.lasts(6000);
      await scene.faults('mail');
      await scene.faults('mail', { tempfail: 50 });
      await scene.accepted(40);
    },
  },
];

async function killThrice(scene: Scene, who: 'provider' | 'mail'): Promise<void> {
  const child = scene.platform[who];
  for (let i = 0; i < 3; i++) {
    scene.kills.services++;
    child.signal('SIGKILL');
    await scene.accepted(40);
    await child.ready();
  }
}

/** Every second customer of those whose payment waits pays at the bank. */
async function sendToBank({ platform, clients }: Scene): Promise<void> {
  const some = clients.accepted.filter((_, index) => index % 2 === 0);
  const url = (id: string) => `${platform.addresses.provider}/charges/${id}/authenticate`;
  await Promise.all(some.map((id) => fetch(url(id), { method: 'POST' })));
}

async function refusalsLeft({ platform }: Scene): Promise<number> {
  const answer = await fetch(`${platform.addresses.provider}/faults`);
  return ((await answer.json()) as { refundFailures: number }).refundFailures;
}
