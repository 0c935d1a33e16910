import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Service } from '@pavane/contracts';
import { SERVICES } from '@pavane/tools';
import { Client } from 'pg';
import type { Scene } from '../../scene.js';
import type { Fault, Stage } from '../fault.js';
import { expectUnready } from './readiness.js';

/** As long as a message that fails five times takes to use up its attempts. */
const BEYOND_ATTEMPTS_MS = 12_000;
/** A service has noticed so soon that its database serves again. */
const READY_AGAIN_WITHIN_MS = 20_000;

/** Nothing misses its deadline for an outage; and whoever waits is not a crowd that never shrinks. */
export const patiently = (): Stage => ({ settings: { orderDeadline: '10m' }, perSecond: 10, mostWaiting: 40 });

/** A way in which a database answers, and serves nobody. */
interface Illness {
  breaks(service: Service, scene: Scene): Promise<void>;
  heals(service: Service, scene: Scene): Promise<void>;
}

/** What can be wrong with a database that is there. */
export const illDatabase: readonly Fault[] = [
  ofEachService('database-refuses-logins', 'takes no connections and has lost those it had', {
    breaks: (service, scene) =>
      run(scene, 'postgres', `ALTER DATABASE "${service}" ALLOW_CONNECTIONS false`, terminated(service)),
    heals: (service, scene) => run(scene, 'postgres', `ALTER DATABASE "${service}" ALLOW_CONNECTIONS true`),
  }),
  ofEachService(
    'database-read-only',
    'is read-only for all who connect, and stays so for those who are connected when it is writable again',
    {
      breaks: (service, scene) =>
        run(
          scene,
          'postgres',
          `ALTER DATABASE "${service}" SET default_transaction_read_only = on`,
          terminated(service),
        ),
      // Who is connected to a primary that was demoted has to notice by itself.
      heals: (service, scene) =>
        run(scene, 'postgres', `ALTER DATABASE "${service}" RESET default_transaction_read_only`),
    },
  ),
  ofEachService('database-lost-schema', 'has lost the schema of inbox and outbox', {
    breaks: (service, scene) => run(scene, service, 'ALTER SCHEMA messaging RENAME TO messaging_lost'),
    heals: (service, scene) => run(scene, service, 'ALTER SCHEMA messaging_lost RENAME TO messaging'),
  }),
  {
    name: 'database-lost-primary',
    about: `PostgreSQL goes down and comes back as a standby, which is read-only, for ${BEYOND_ATTEMPTS_MS / 1000} s; then it is promoted`,
    stage: patiently,
    async run(scene) {
      const { postgres } = scene.platform;
      await postgres.stop();
      writeFileSync(join(postgres.dir, 'data/standby.signal'), '');
      await postgres.restart();
      await Promise.all(SERVICES.map((service) => expectUnready(scene, service, 'its database is a standby')));
      await scene.lasts(BEYOND_ATTEMPTS_MS);
      await run(scene, 'postgres', 'SELECT pg_promote()');
      await scene.accepted(20);
    },
  },
];

function ofEachService(name: string, is: string, { breaks, heals }: Illness): Fault {
  return {
    name,
    about: `the database of each service in turn ${is}, for ${BEYOND_ATTEMPTS_MS / 1000} s`,
    when: 'full',
    stage: patiently,
    async run(scene) {
      for (const service of SERVICES) {
        await breaks(service, scene);
        const broken = performance.now();
        try {
          await expectUnready(scene, service, `its database ${is}`);
          await scene.lasts(Math.max(0, BEYOND_ATTEMPTS_MS - (performance.now() - broken)));
        } finally {
          await heals(service, scene);
        }
        await expectReady(scene, service);
        await scene.accepted(20);
      }
    },
  };
}

/** Without it the scene would end here: whoever holds on to connections that are of no use is rid of them. */
async function expectReady(scene: Scene, service: Service): Promise<void> {
  const child = scene.platform.services.get(service)!;
  try {
    await child.ready(READY_AGAIN_WITHIN_MS);
  } catch (error) {
    scene.violations.push(`its database was healed, and yet: ${(error as Error).message}`);
    await run(scene, 'postgres', terminated(service));
    await child.ready();
  }
}

const terminated = (service: Service): string =>
  `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${service}'`;

/** Runs statements, one after the other, on a connection of their own. */
export async function run(scene: Scene, database: string, ...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: scene.platform.postgres.url(database) });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}
