import * as contracts from './contracts.mjs';
import { define, listOf, wrongName } from './events.mjs';
import { finish } from './finish.mjs';

/** `nx g event shipments.delayed --saidBy shipping --on orders.confirmed`. */
export default async function event(tree, { name, saidBy, on, ...options }) {
  const heardBy = listOf(options.heardBy);
  const read = (file) => tree.read(file, 'utf8');
  const saga = contracts.sagaIn(read(contracts.SAGA));
  const wrong = [];
  const problem = wrongName(name, contracts.eventsIn(read(contracts.EVENTS)));
  if (problem) wrong.push(`${name}: ${problem}`);
  if (!saga.has(saidBy))
    wrong.push(`--saidBy ${saidBy}: there is no such service, only ${[...saga.keys()].join(', ')}`);
  else if (!saga.get(saidBy).has(on))
    wrong.push(`--on ${on}: ${saidBy} has no such row, only ${[...saga.get(saidBy).keys()].join(', ')}`);
  if (heardBy.length === 0)
    wrong.push('--heardBy names no service; an event that nobody subscribes to does not compile');
  for (const service of heardBy)
    if (!saga.has(service))
      wrong.push(`--heardBy ${service}: there is no such service, only ${[...saga.keys()].join(', ')}`);
  if (wrong.length > 0) throw new Error(wrong.join('\n'));

  const table = heardBy.reduce((text, service) => contracts.withRow(text, service, name, []), read(contracts.SAGA));
  tree.write(contracts.SAGA, contracts.withAnswer(table, saidBy, on, name));
  define(tree, [name]);
  return () => {
    console.log(
      `\nNext: let the rules publish it (apps/${saidBy}/src/${saidBy}.ts); until then they may not compile.\n`,
    );
    finish(tree.root);
  };
}
