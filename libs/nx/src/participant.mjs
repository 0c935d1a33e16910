import { join } from 'node:path';
import { generateFiles, joinPathFragments } from '@nx/devkit';
import * as contracts from './contracts.mjs';
import { define, isFailure, listOf, wrongName } from './events.mjs';
import { finish } from './finish.mjs';

/** A service that asks nobody outside: what every app has in common is taken from it. */
const MODEL = 'apps/inventory';
const FILES = ['tsconfig.json', 'tsconfig.build.json', 'prisma.config.ts', 'prisma/migrations/migration_lock.toml'];

/** `nx g participant shipping --hears orders.confirmed --says shipments.dispatched,shipments.failed`. */
export default async function participant(tree, options) {
  const { name } = options;
  const [hears, says, heardBy] = [options.hears, options.says, options.heardBy].map(listOf);
  const read = (file) => tree.read(file, 'utf8');
  const saga = contracts.sagaIn(read(contracts.SAGA));
  const ports = contracts.portsIn(read(contracts.SERVICES));
  const port = options.port ?? Math.max(...ports.values()) + 1;
  refuseWhatIsWrong({
    tree,
    name,
    hears,
    says,
    heardBy,
    saga,
    ports,
    port,
    defined: contracts.eventsIn(read(contracts.EVENTS)),
  });

  const change = (file, ...changes) =>
    tree.write(
      file,
      changes.reduce((text, apply) => apply(text), read(file)),
    );
  change(
    contracts.SAGA,
    ...says.flatMap((event) => heardBy.map((service) => (text) => contracts.withRow(text, service, event, []))),
    (text) =>
      contracts.withService(
        text,
        name,
        hears.map((event) => [event, says]),
      ),
  );
  change(contracts.SERVICES, (text) => contracts.withPort(text, name, port));
  define(tree, says);

  const directory = joinPathFragments('apps', name);
  const { version } = JSON.parse(read('package.json'));
  const [scope] = JSON.parse(read('libs/contracts/package.json')).name.split('/');
  // Where it can be seen that no order came of it, a failure is not what happens by itself.
  const first = says.find((event) => !isFailure(event)) ?? says[0];
  const stamp = new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14);
  const names = {
    tmpl: '',
    stamp,
    name,
    Name: name[0].toUpperCase() + name.slice(1),
    scope,
    version,
    hears,
    says,
    first,
    isFailure,
  };
  const { dependencies, devDependencies = {} } = JSON.parse(read(`${MODEL}/package.json`));
  generateFiles(tree, join(import.meta.dirname, 'participant/files'), directory, {
    ...names,
    dependencies: Object.fromEntries(Object.entries(dependencies).filter(([one]) => one !== '@nestjs/swagger')),
    devDependencies: { ...devDependencies, uuid: JSON.parse(read('libs/outbox/package.json')).dependencies.uuid },
  });
  for (const file of FILES) tree.write(joinPathFragments(directory, file), read(`${MODEL}/${file}`));
  if (tree.exists('e2e/src/harness/platform.ts') && says.length > 0 && heardBy.includes('order'))
    generateFiles(tree, join(import.meta.dirname, 'participant/e2e'), 'e2e/src', names);
  return () => finish(tree.root);
}

/** @throws Error that names everything that is wrong at once */
function refuseWhatIsWrong({ tree, name, hears, says, heardBy, saga, ports, port, defined }) {
  const wrong = [];
  if (!/^[a-z][a-z0-9]*$/.test(name))
    wrong.push(`"${name}" cannot name a service: take lower case letters and digits, such as shipping`);
  if (saga.has(name) || tree.exists(`apps/${name}`)) wrong.push(`there is a service ${name} already`);
  if (hears.length === 0) wrong.push('--hears names no event; a participant subscribes to one at least');
  for (const event of hears)
    if (!defined.includes(event)) wrong.push(`--hears ${event}: there is no such event, only ${defined.join(', ')}`);
  for (const event of says) {
    const problem = wrongName(event, defined);
    if (problem) wrong.push(`--says ${event}: ${problem}`);
  }
  if (says.length > 0 && heardBy.length === 0)
    wrong.push('--heardBy names no service; an event that nobody subscribes to does not compile');
  for (const service of heardBy)
    if (!saga.has(service))
      wrong.push(`--heardBy ${service}: there is no such service, only ${[...saga.keys()].join(', ')}`);
  for (const [service, taken] of ports) if (taken === port) wrong.push(`--port ${port} is that of ${service}`);
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
}
