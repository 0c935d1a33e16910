import { freePort } from '@pavane/testing/servers';
import { SERVICES } from '@pavane/tools';
import type { Scene } from '../scene.js';
import type { Fault } from './fault.js';

/** Longer than the `ack_wait` of every durable: what a frozen process holds is given to another. */
const BEYOND_ACK_WAIT_MS = 7000;

const ready = (scene: Scene) =>
  Promise.all(
    [...scene.platform.services.values(), ...scene.platform.instances.values()].map((child) => child.ready()),
  );

/** What can happen to the services' own processes. */
export const processes: readonly Fault[] = [
  {
    name: 'service-sigkill',
    about: 'SIGKILL of each service in turn',
    async run(scene) {
      for (const service of SERVICES) {
        scene.kill(service);
        await scene.platform.services.get(service)!.ready();
        await scene.accepted(20);
      }
    },
  },
  {
    name: 'one-sigkill',
    about: 'SIGKILL of one service, drawn by the seed: how long until everything has ended',
    async run(scene) {
      scene.kill(scene.random.pick(SERVICES));
    },
  },
  {
    name: 'all-sigkill',
    about: 'SIGKILL of all four services at once, three times',
    async run(scene) {
      for (let i = 0; i < 3; i++) {
        for (const service of SERVICES) scene.kill(service);
        await ready(scene);
        await scene.accepted(20);
      }
    },
  },
  {
    name: 'service-sigstop',
    about: 'SIGSTOP of each service for longer than ack_wait, while a second instance of it goes on',
    when: 'full',
    async run(scene) {
      for (const service of SERVICES) {
        const frozen = scene.platform.services.get(service)!;
        await scene.platform.addInstance(service, await freePort());
        frozen.signal('SIGSTOP');
        await scene.lasts(BEYOND_ACK_WAIT_MS);
        frozen.signal('SIGCONT');
        await frozen.ready();
      }
    },
  },
  {
    name: 'services-sigterm',
    about: 'SIGTERM of each service in turn, twice: a rolling update',
    when: 'full',
    async run(scene) {
      for (const service of [...SERVICES, ...SERVICES]) {
        const child = scene.platform.services.get(service)!;
        const code = await child.stop();
        if (code !== 0) scene.violations.push(`${service} ended with ${code} after SIGTERM`);
        await child.start();
        await scene.accepted(10);
      }
    },
  },
];
