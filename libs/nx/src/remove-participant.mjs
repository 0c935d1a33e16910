import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
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
  const hearsAlone = [...rows.keys()].filter(
    (input) => publishedBy(saga, input) && listeners(saga, input).length === 1,
  );
  change(contracts.SAGA, (text) =>
    says.reduce(contracts.withoutRow, hearsAlone.reduce(contracts.withoutAnswer, contracts.withoutService(text, name))),
  );
  change(contracts.SERVICES, (text) => contracts.withoutPort(text, name));
  for (const event of [...says, ...hearsAlone]) {
    change(contracts.EVENTS, (text) => contracts.withoutEvent(text, event));
    for (const file of tree.children('libs/contracts/schemas'))
      if (file.startsWith(`${event}.v`)) tree.delete(`libs/contracts/schemas/${file}`);
  }
  for (const domain of new Set(says.map((event) => event.split('.')[0]))) {
    const left = contracts.eventsIn(read(contracts.EVENTS)).some((event) => event.startsWith(`${domain}.`));
    if (left) continue;
    tree.delete(`libs/contracts/src/events/${domain}.ts`);
    change(contracts.INDEX, (text) => contracts.withoutExport(text, domain));
  }
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

const publishedBy = (saga, event) => [...saga].some(([, rows]) => [...rows.values()].flat().includes(event));
const listeners = (saga, event) => [...saga].filter(([, rows]) => rows.has(event)).map(([service]) => service);

/** @throws Error when the rules of another service build on what this one publishes, or customers call it */
function refuseWhatIsNeeded(tree, saga, name, says) {
  const [scope] = JSON.parse(tree.read('libs/contracts/package.json', 'utf8')).name.split('/');
  const needed = [];
  const around = ['prove', 'bench'].filter(
    (folder) =>
      tree.exists(`${folder}/package.json`) &&
      JSON.parse(tree.read(`${folder}/package.json`, 'utf8')).dependencies[`${scope}/${name}`],
  );
  if (around.length > 0)
    needed.push(`${around.join(' and ')} know it by hand, as e2e does: node tools/drop.mjs ${around.join(' ')} e2e`);
  for (const input of saga.get(name).keys()) if (input.includes(' ')) needed.push(`customers call it: ${input}`);
  for (const [service, rows] of saga)
    for (const [input, answers] of rows)
      if (service !== name && says.includes(input) && answers.length > 0)
        needed.push(`${service} answers its ${input} with ${answers.join(' or ')}`);
  if (needed.length > 0)
    throw new Error(
      `${name} cannot go while others build on it; change their rows in ${contracts.SAGA} first:\n${needed.map((line) => `  ${line}`).join('\n')}`,
    );
}
