import * as contracts from './contracts.mjs';
import { finish } from './finish.mjs';

/** `nx g event-version payments.completed`: version 2 beside version 1. */
export default async function eventVersion(tree, { name }) {
  const source = tree.read(contracts.EVENTS, 'utf8');
  const defined = contracts.eventsIn(source);
  if (!defined.includes(name)) throw new Error(`there is no event ${name}, only ${defined.join(', ')}`);
  tree.write(contracts.EVENTS, contracts.withNextVersion(source, name));
  return () => {
    finish(tree.root);
    console.log(
      `\nNext: change ${contracts.classOf(name)} in libs/contracts/src/events, and what \`earlier\` makes of the version before, in\n${contracts.EVENTS}. Then: npm run generate\n`,
    );
  };
}
