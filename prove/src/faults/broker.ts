import { DiscardPolicy } from '@nats-io/jetstream';
import { durables, topology } from '@pavane/contracts';
import { apply } from '@pavane/jetstream/provisioning';
import { startNats } from '@pavane/testing/servers';
import { SERVICES } from '@pavane/tools';
import type { Scene } from '../scene.js';
import type { Fault } from './fault.js';

/** As long as a message that fails would take to use up its attempts, and some more. */
const BEYOND_ATTEMPTS_MS = 25_000;

/** What can happen to the one nats-server beside the services, and to the streams it keeps. */
export const broker: readonly Fault[] = [
  {
    name: 'nats-sigterm',
    about: 'nats-server restarted by SIGTERM, three times',
    async run(scene) {
      for (let i = 0; i < 3; i++) {
        await scene.platform.nats.restart();
        await scene.accepted(30);
      }
    },
  },
  {
    name: 'nats-sigkill',
    about: 'SIGKILL of nats-server, three times',
    when: 'quick',
    async run(scene) {
      for (let i = 0; i < 3; i++) {
        scene.kills.servers++;
        await scene.platform.nats.restart('SIGKILL');
        await scene.accepted(30);
      }
    },
  },
  {
    name: 'nats-sigstop',
    about: 'SIGSTOP of nats-server for 8 s: connections stay open and nothing is answered',
    async run(scene) {
      await scene.platform.nats.pause();
      await scene.lasts(8000);
      scene.platform.nats.resume();
    },
  },
  {
    name: 'nats-away',
    about: 'nats-server away for longer than the attempts of a message would last',
    when: 'full',
    async run(scene) {
      await scene.platform.nats.stop();
      await scene.lasts(BEYOND_ATTEMPTS_MS);
      await scene.platform.nats.restart();
    },
  },
  {
    name: 'slow-consumers',
    about: 'a nats-server that cuts clients off when 64 kB wait for them, and services that are frozen in turn',
    stage: () => ({
      options: {
        broker: (options) =>
          startNats({
            ...options,
            config: `${options.config}max_payload: 65536\nmax_pending: 65536\nwrite_deadline: "1s"\n`,
          }),
      },
    }),
    async run(scene) {
      const nc = await scene.nc();
      for (const service of SERVICES) {
        const child = scene.platform.services.get(service)!;
        const inbox = await inboxOf(scene, service);
        const before = await slowConsumers(scene);
        child.signal('SIGSTOP');
        try {
          // Pulls alone would not do: a frozen service is only sent what it had asked for.
          await scene.until(`nats-server cuts ${service} off`, async () => {
            for (let i = 0; i < 32; i++) nc.publish(inbox, new Uint8Array(32_768));
            await nc.flush();
            return (await slowConsumers(scene)) > before;
          });
        } finally {
          child.signal('SIGCONT');
        }
        await scene.accepted(20);
      }
    },
  },
  {
    name: 'audit-full',
    about: 'AUDIT cannot store anything more, is found to hold SAGA back, and is detached',
    async run(scene) {
      const jsm = await scene.jsm();
      const { config, state } = await jsm.streams.info('AUDIT');
      await jsm.streams.update('AUDIT', {
        ...config,
        max_bytes: Math.max(state.bytes, 1024),
        discard: DiscardPolicy.New,
      });
      await scene.accepted(100);
      // Every consumer of ours has what it wants, and SAGA is not empty: that is how it shows.
      await scene.until('AUDIT holds SAGA back', async () => (await heldBack(scene)) > 0);
      await detachAudit(scene);
      await scene.until('SAGA is empty but for what is under way', async () => (await heldBack(scene)) === 0);
    },
  },
  {
    name: 'audit-detached',
    about: 'AUDIT is detached while orders are under way, and attached again',
    async run(scene) {
      await detachAudit(scene);
      await scene.accepted(60);
      await scene.platform.provision();
      const { state } = await (await scene.jsm()).streams.info('AUDIT');
      await scene.accepted(20);
      await scene.until('AUDIT goes on', async () => {
        const now = await (await scene.jsm()).streams.info('AUDIT');
        return now.state.last_seq > state.last_seq;
      });
    },
  },
];

/** Messages in SAGA that no consumer of the saga waits for or holds. */
async function heldBack(scene: Scene): Promise<number> {
  const jsm = await scene.jsm();
  const waiting = await Promise.all(
    durables
      .filter(({ stream }) => stream === 'SAGA')
      .map(async ({ stream, durable }) => {
        const { num_pending, num_ack_pending } = await jsm.consumers.info(stream, durable);
        return num_pending + num_ack_pending;
      }),
  );
  const { state } = await jsm.streams.info('SAGA');
  return Math.max(0, state.messages - waiting.reduce((a, b) => a + b, 0));
}

/** What `npm run topology -- apply --no-audit --force` does. */
async function detachAudit(scene: Scene): Promise<void> {
  await apply(await scene.nc(), topology({ audit: false }), { force: true });
}

/** How many clients nats-server has cut off because they did not read. */
async function slowConsumers(scene: Scene): Promise<number> {
  return (await monitor<{ slow_consumers: number }>(scene, 'varz')).slow_consumers;
}

/** A subject on which a service hears answers to its requests. */
async function inboxOf(scene: Scene, service: string): Promise<string> {
  const { connections } = await monitor<{ connections: { name?: string; subscriptions_list?: string[] }[] }>(
    scene,
    'connz?subs=1',
  );
  const heard = connections.flatMap(({ name, subscriptions_list }) =>
    name === service ? (subscriptions_list ?? []) : [],
  );
  const inbox = heard.find((subject) => /^_INBOX.*\*$/.test(subject));
  if (!inbox) throw new Error(`${service} hears no inbox`);
  return inbox.replace('*', 'nobody');
}

async function monitor<T>(scene: Scene, page: string): Promise<T> {
  const response = await fetch(`http://127.0.0.1:${scene.platform.settings.ports.monitor}/${page}`);
  return (await response.json()) as T;
}
