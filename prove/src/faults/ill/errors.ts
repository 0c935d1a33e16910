import type { Service } from '@pavane/contracts';
import { SERVICES } from '@pavane/tools';
import { randomOf } from '../../random.js';
import type { Scene } from '../../scene.js';
import type { Fault } from '../fault.js';
import { patiently, run } from './database.js';

/** How long one error lasts before another takes its place. */
const EACH_MS = 10_000;

/** Whatever a service keeps beside its inbox and outbox stands in tables of this schema. */
const STATE_TABLES = `SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.tables
  WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`;

type Table = 'inbox' | 'outbox' | 'state';

/** SQLSTATEs that say neither that the database is away nor that a value is wrong, and what fails with them. */
const ERRORS: readonly (readonly [code: string, table: Table])[] = [
  ['P0001', 'inbox'],
  ['XX000', 'outbox'],
  ['42501', 'state'],
  ['58030', 'inbox'],
  ['25006', 'outbox'],
  ['42883', 'state'],
];

let drawn: Service;

/** Failures of a kind that nobody foresaw, of everything a service does. */
export const unknownErrors: readonly Fault[] = [
  {
    name: 'one-unknown-error',
    about: `whatever one service, drawn by the seed, would remember as handled is refused with an unknown error for ${EACH_MS / 1000} s`,
    when: 'quick',
    stage: ({ seed }) => {
      drawn = randomOf(seed, 'one unknown error').pick(SERVICES);
      return patiently();
    },
    run: (scene) => failing(scene, drawn, ERRORS.slice(0, 1)),
  },
  ...SERVICES.map((service): Fault => ({
    name: `unknown-errors-${service}`,
    about: `every write of ${service} fails for ${(ERRORS.length * EACH_MS) / 1000} s, with ${ERRORS.map(([code]) => code).join(', ')} in turn`,
    when: 'full',
    stage: patiently,
    run: (scene) => failing(scene, service, ERRORS),
  })),
];

async function failing(scene: Scene, service: Service, errors: typeof ERRORS): Promise<void> {
  const state = await scene.sql<{ name: string }>(service, STATE_TABLES);
  const tables: Record<Table, readonly string[]> = {
    inbox: ['messaging.inbox'],
    outbox: ['messaging.outbox'],
    state: state.map(({ name }) => name),
  };
  const quiet: string[] = [];
  await run(scene, service, 'CREATE SEQUENCE failed_on_purpose');
  for (const [code, table] of errors) {
    const before = await failures(scene, service);
    await run(
      scene,
      service,
      // A sequence is not rolled back with what failed.
      `CREATE FUNCTION fail_on_purpose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         PERFORM nextval('failed_on_purpose');
         RAISE EXCEPTION 'fails on purpose' USING ERRCODE = '${code}';
       END $$`,
      ...tables[table].map(
        (name) =>
          `CREATE TRIGGER fail_on_purpose BEFORE INSERT OR UPDATE ON ${name} EXECUTE FUNCTION fail_on_purpose()`,
      ),
    );
    await scene.lasts(EACH_MS);
    await run(scene, service, 'DROP FUNCTION fail_on_purpose CASCADE');
    if ((await failures(scene, service)) === before) quiet.push(code);
  }
  scene.notes.push(`${await failures(scene, service)} writes of ${service} failed`);
  // Who rests after the first failure may well sleep through one of those that follow.
  if (quiet.length > errors.length / 2) scene.violations.push(`nothing failed with ${quiet.join(', ')}`);
  await scene.accepted(20);
}

async function failures(scene: Scene, service: Service): Promise<number> {
  const [row] = await scene.sql<{ n: number }>(
    service,
    'SELECT CASE WHEN is_called THEN last_value ELSE 0 END::int AS n FROM failed_on_purpose',
  );
  return row!.n;
}
