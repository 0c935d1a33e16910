import type { Scene } from '../scene.js';
import type { Fault } from './fault.js';
import { throughProxies } from './proxy.js';

/** As long as a message that fails would take to use up its attempts, and some more. */
const BEYOND_ATTEMPTS_MS = 25_000;

/** What can happen to PostgreSQL and to the connections to it. */
export const database: readonly Fault[] = [
  {
    name: 'postgres-sigkill',
    about: 'SIGKILL of PostgreSQL, three times',
    when: 'quick',
    async run(scene) {
      for (let i = 0; i < 3; i++) {
        scene.kills.servers++;
        await scene.platform.postgres.restart('SIGKILL');
        await scene.accepted(30);
      }
    },
  },
  {
    name: 'postgres-restart',
    about: 'PostgreSQL restarted in order (SIGINT: clients are disconnected), three times',
    async run(scene) {
      for (let i = 0; i < 3; i++) {
        await scene.platform.postgres.restart('SIGINT');
        await scene.accepted(30);
      }
    },
  },
  {
    name: 'postgres-away',
    about: 'PostgreSQL away for longer than the attempts of a message would last',
    when: 'full',
    async run(scene) {
      await scene.platform.postgres.stop('SIGKILL');
      scene.kills.servers++;
      await scene.lasts(BEYOND_ATTEMPTS_MS);
      await scene.platform.postgres.restart();
    },
  },
  {
    name: 'connections-terminated',
    about: 'pg_terminate_backend of every connection of the services, again and again for 10 s',
    async run(scene) {
      let terminated = 0;
      for (let i = 0; i < 20; i++) {
        terminated += await terminate(scene);
        await scene.lasts(scene.random.int(250, 750));
      }
      if (terminated < 100) scene.violations.push(`only ${terminated} connections were terminated`);
    },
  },
  throughProxies(['postgres'], {
    name: 'commit-answers-lost',
    about: 'one in five commits happens and its answer is lost with the connection, 20 times and more',
    async run(scene, [proxy]) {
      proxy!.cutsCommits(5);
      await scene.lasts(10_000);
      await scene.until('20 answers to commits are lost', () => proxy!.cuts >= 20, 60_000);
      proxy!.cutsCommits(0);
    },
  }),
];

/** Ends every connection that a service holds, whatever it is doing; resolves to how many. */
async function terminate(scene: Scene): Promise<number> {
  const rows = await scene.sql<{ ended: boolean }>(
    'order',
    `SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity
     WHERE datname = ANY ($1) AND split_part(application_name, '-', 1) = datname`,
    [[...scene.platform.services.keys()]],
  );
  return rows.filter(({ ended }) => ended).length;
}
