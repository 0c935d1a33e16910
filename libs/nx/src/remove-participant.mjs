import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { visitNotIgnoredFiles } from '@nx/devkit';
import * as contracts from './contracts.mjs';
import { finish } from './finish.mjs';

/** `nx g remove-participant shipping`: the inverse of `nx g participant`. */
export default async function removeParticipant(tree, { name }) {
  const read = (file) => tree.read(file, 'utf8');
  const saga = contracts.sagaIn(read(contracts.SAGA));
  const rows = saga.get(name);
  if (!rows) throw new Error(`there is no service ${name}, only ${[...saga.keys()].join(', ')}`);
  const says = [...new Set([...rows.values()].flat())];
  refuseWhatIsNeeded(tree, saga, name, says);

  const change = (file, apply) => tree.write(file, apply(read(file)));
  const others = new Map([...saga].filter(([service]) => service !== name));
  const heard = says.filter((event) => listeners(others, event).length > 0);
  change(contracts.SAGA, (text) => heard.reduce(contracts.withoutRow, contracts.withoutService(text, name)));
  change(contracts.SERVICES, (text) => contracts.withoutPort(text, name));
  for (const event of eventsLeftBy(name, saga, read(contracts.EVENTS))) removeEvent(tree, event);
  for (const values of ['k8s/values-dev.yaml', 'k8s/values-prod.yaml'])
    if (tree.exists(values)) change(values, (text) => contracts.withoutValues(text, name));
  tree.delete(`apps/${name}`);
  tree.delete(`e2e/src/${name}-rules.e2e.spec.ts`);
  return () => {
    // What was built of it is in no commit, so that the tree does not know it.
    rmSync(join(tree.root, 'apps', name), { recursive: true, force: true });
    if (existsSync(join(tree.root, 'node_modules'))) finish(tree.root);
  };
}

const publishers = (saga, event) =>
  [...saga].filter(([, rows]) => [...rows.values()].flat().includes(event)).map(([service]) => service);
const listeners = (saga, event) => [...saga].filter(([, rows]) => rows.has(event)).map(([service]) => service);

/** The events that nobody publishes, or nobody subscribes to, once a service is gone. */
function eventsLeftBy(name, saga, definitions) {
  const rows = saga.get(name);
  const own = new Set([...rows.keys(), ...[...rows.values()].flat()]);
  return contracts
    .eventsIn(definitions)
    .filter((event) => own.has(event) && publishers(saga, event).every((service) => service === name));
}

/** Removes the definition of an event, its schemas, and what it carries where nothing else does. */
function removeEvent(tree, event) {
  const change = (file, apply) => tree.write(file, apply(tree.read(file, 'utf8')));
  const { name, file } = contracts.payloadOf(tree.read(contracts.EVENTS, 'utf8'), event);
  change(contracts.EVENTS, (text) => contracts.withoutEvent(text, event));
  for (const schema of tree.children('libs/contracts/schemas'))
    if (schema.startsWith(`${event}.v`)) tree.delete(`libs/contracts/schemas/${schema}`);
  const definitions = tree.read(contracts.EVENTS, 'utf8');
  if (contracts.carries(definitions, name)) return;
  if (contracts.isImported(definitions, file)) {
    change(`libs/contracts/src/events/${file}.ts`, (text) => contracts.withoutClass(text, name));
    return;
  }
  tree.delete(`libs/contracts/src/events/${file}.ts`);
  change(contracts.INDEX, (text) => contracts.withoutExport(text, file));
}

/** The files of e2e that know a service or its events by hand, but for those that come and go with it. */
function testsOf(tree, name, says) {
  const files = [];
  visitNotIgnoredFiles(tree, 'e2e/src', (path) => files.push(path.replaceAll('\\', '/')));
  const ours = [`e2e/src/${name}-rules.e2e.spec.ts`, 'e2e/src/participant.e2e.spec.ts'];
  const others = contracts.eventsIn(tree.read(contracts.EVENTS, 'utf8')).filter((event) => !says.includes(event));
  // All that is of a kind, such as `shipments.`, where no other service publishes of it.
  const starts = says.map((event) => {
    const kind = event.replace(/\..*/, '.');
    return others.some((other) => other.startsWith(kind)) ? event : kind;
  });
  const mentions = ["'", '"', '`'].flatMap((quote) => [`${quote}${name}${quote}`, ...starts.map((one) => quote + one)]);
  return files.filter(
    (file) => !ours.includes(file) && mentions.some((text) => tree.read(file, 'utf8').includes(text)),
  );
}

/** @throws Error when the rules of another service build on what this one publishes, or customers call it */
function refuseWhatIsNeeded(tree, saga, name, says) {
  const [scope] = JSON.parse(tree.read('libs/contracts/package.json', 'utf8')).name.split('/');
  const needed = [];
  const around = ['prove', 'bench'].filter(
    (folder) =>
      tree.exists(`${folder}/package.json`) &&
      JSON.parse(tree.read(`${folder}/package.json`, 'utf8')).dependencies[`${scope}/${name}`],
  );
  const tests = testsOf(tree, name, says);
  if (tests.length > 0) around.push('e2e');
  if (around.length > 0)
    needed.push(
      `${around.join(', ')} ${around.length > 1 ? 'know' : 'knows'} it by hand${tests.length > 0 ? ` (${tests.join(', ')})` : ''}: node tools/drop.mjs ${around.join(' ')}`,
    );
  for (const input of saga.get(name).keys()) if (input.includes(' ')) needed.push(`customers call it: ${input}`);
  for (const [service, rows] of saga)
    for (const [input, answers] of rows)
      if (service !== name && says.includes(input) && answers.length > 0)
        needed.push(`${service} answers its ${input} with ${answers.join(' or ')}`);
  for (const event of saga.get(name).keys()) {
    const [publisher] = publishers(saga, event).filter((service) => service !== name);
    if (publisher && listeners(saga, event).length === 1)
      needed.push(
        `nobody else subscribes to ${event}, which ${publisher} publishes; let another, or take it out there`,
      );
  }
  if (needed.length > 0)
    throw new Error(
      `${name} cannot go while others build on it; change their rows in ${contracts.SAGA} first:\n${needed.map((line) => `  ${line}`).join('\n')}`,
    );
}
