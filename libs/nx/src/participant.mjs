import { join } from 'node:path';
import { generateFiles, joinPathFragments } from '@nx/devkit';
import * as contracts from './contracts.mjs';
import { define, isFailure, listOf, wrongName } from './events.mjs';
import { finish } from './finish.mjs';
import { ownerOf, reservedName } from './names.mjs';

/** What every app has in common. */
const FILES = ['tsconfig.json', 'tsconfig.build.json', 'prisma.config.ts', 'prisma/migrations/migration_lock.toml'];

/** `nx g participant shipping --hears orders.confirmed --says shipments.dispatched,shipments.failed`. */
export default async function participant(tree, options) {
  const { name } = options;
  const [hears, says, heardBy] = [options.hears, options.says, options.heardBy].map(listOf);
  const read = (file) => tree.read(file, 'utf8');
  const saga = contracts.sagaIn(read(contracts.SAGA));
  const port = options.port ?? nextPort(tree);
  const model = modelIn(tree);
  refuseWhatIsWrong({
    tree,
    name,
    hears,
    says,
    heardBy,
    saga,
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
  const { dependencies, devDependencies = {} } = JSON.parse(read(`${model}/package.json`));
  generateFiles(tree, join(import.meta.dirname, 'participant/files'), directory, {
    ...names,
    dependencies: Object.fromEntries(Object.entries(dependencies).filter(([one]) => one !== '@nestjs/swagger')),
    devDependencies: { ...devDependencies, uuid: JSON.parse(read('libs/outbox/package.json')).dependencies.uuid },
  });
  for (const file of FILES) tree.write(joinPathFragments(directory, file), read(`${model}/${file}`));
  const happened = eventsOfConfirmed(saga);
  const answers = says.length > 0 && hears.some((event) => happened.has(event));
  if (tree.exists('e2e/src/harness/platform.ts') && answers && heardBy.includes('order'))
    generateFiles(tree, join(import.meta.dirname, 'participant/e2e'), 'e2e/src', names);
  return () => finish(tree.root);
}

/** An app to take from what every app has in common. */
function modelIn(tree) {
  const model = tree
    .children('apps')
    .map((app) => `apps/${app}`)
    .find((app) => ['package.json', ...FILES].every((file) => tree.exists(`${app}/${file}`)));
  if (model) return model;
  throw new Error(`no folder in apps has all of package.json, ${FILES.join(', ')}, which a new service takes from it`);
}

function nextPort(tree) {
  let port = Math.max(2999, ...contracts.portsIn(tree.read(contracts.SERVICES, 'utf8')).values()) + 1;
  while (ownerOf(tree, port)) port++;
  return port;
}

/** What happens to an order that is confirmed: what follows from its placement where nothing fails. */
function eventsOfConfirmed(saga) {
  const happened = new Set(['orders.created']);
  // A set also goes over what is added meanwhile.
  for (const event of happened)
    for (const rows of saga.values()) {
      const answer = rows.get(event)?.find((one) => !isFailure(one) && one !== 'orders.cancelled');
      if (answer) happened.add(answer);
    }
  return happened;
}

/** @throws Error that names everything that is wrong at once */
function refuseWhatIsWrong({ tree, name, hears, says, heardBy, saga, port, defined }) {
  const wrong = [];
  if (!/^[a-z][a-z0-9]*$/.test(name))
    wrong.push(`"${name}" cannot name a service: take lower case letters and digits, such as shipping`);
  else if (saga.has(name)) wrong.push(`there is a service ${name} already`);
  else {
    const reserved = reservedName(tree, name);
    if (reserved) wrong.push(`"${name}" cannot name a service: ${reserved}; take another name`);
  }
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
  const owner = ownerOf(tree, port);
  if (owner) wrong.push(`--port ${port} is that of ${owner}; take another, or leave it out`);
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
}
