import { freePort } from '@pavane/testing/servers';
import { SERVICES } from '@pavane/tools';
import type { Fault } from './fault.js';
import { ALL, throughProxies } from './proxy.js';

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** What can happen on the way between the services and their servers. */
export const network: readonly Fault[] = [
  throughProxies(ALL, {
    name: 'latency',
    about: '30 to 80 ms each way to nats-server, PostgreSQL, payment provider and mail server, for 15 s',
    async run(scene, proxies) {
      for (const proxy of proxies) proxy.delays(30, 80);
      await scene.lasts(15_000);
      for (const proxy of proxies) proxy.delays(0);
      if (proxies.some(({ held }) => held === 0)) scene.violations.push('not everything was held up');
    },
  }),
  throughProxies(['postgres'], {
    name: 'two-instances',
    about:
      'two instances of every service, whose transactions overlap: 5 to 20 ms each way to PostgreSQL, and one commit in eight is overtaken by half a second of others',
    when: 'full',
    async run(scene, [proxy]) {
      const urls = [scene.platform.addresses.http.order];
      for (const service of SERVICES) {
        const port = await freePort();
        await scene.platform.addInstance(service, port);
        if (service === 'order') urls.push(`http://127.0.0.1:${port}`);
      }
      scene.clients.balance(() => scene.random.pick(urls));
      proxy!.delays(5, 20);
      proxy!.holdsCommits(8, 500);
      const stopComing = scene.clients.keepComing(20);
      await scene.accepted(600).finally(stopComing);
      proxy!.delays(0);
      proxy!.holdsCommits(0);
      if (proxy!.overtaken < 20) scene.violations.push(`only ${proxy!.overtaken} commits were held back`);
    },
  }),
  throughProxies(ALL, {
    name: 'resets',
    about: 'connections to every server are reset about once a second, and none is accepted for a moment, for 10 s',
    async run(scene, proxies) {
      for (let i = 0; i < 10; i++) {
        for (const proxy of proxies) {
          proxy.refuse();
          proxy.reset();
        }
        await scene.lasts(scene.random.int(0, 300));
        await Promise.all(proxies.map((proxy) => proxy.accept()));
        await scene.lasts(scene.random.int(600, 1000));
      }
      if (sum(proxies.map(({ resets }) => resets)) < 100) scene.violations.push('hardly a connection was reset');
    },
  }),
];
