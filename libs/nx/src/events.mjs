import * as contracts from './contracts.mjs';

/** What stands between commas, each once. */
export const listOf = (names) => [
  ...new Set(
    (names ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean),
  ),
];
/** Whether an event says that something was not done, by its name. */
export const isFailure = (event) => /\.(failed|rejected|refused|declined|denied)$/.test(event);

/** The classes of what events carry: a failure gives its reason, anything else says what it is known by here. */
function payloads(events) {
  const classes = events.map((event) => {
    const [field, about] = isFailure(event)
      ? ['reason', 'Why it could not be done, for a person.']
      : ['reference', 'What it is known by at the service that published this.'];
    return `/** \`${event}\`. */
export class ${contracts.classOf(event)} {
  /** ${about} */
  @IsString() @MaxLength(500) ${field}!: string;
}
`;
  });
  return classes.join('\n');
}

const withValidators = (source) =>
  source.replace(/^import \{([^}]*)\} from 'class-validator';/m, (_, names) => {
    const all = new Set([...listOf(names), 'IsString', 'MaxLength']);
    return `import { ${[...all].join(', ')} } from 'class-validator';`;
  });

/** Adds payload classes and definitions of new events. */
export function define(tree, events) {
  const change = (file, apply) => tree.write(file, apply(tree.read(file, 'utf8')));
  for (const domain of new Set(events.map((event) => event.split('.')[0]))) {
    const some = events.filter((event) => event.startsWith(`${domain}.`));
    const file = `libs/contracts/src/events/${domain}.ts`;
    const present = tree.exists(file) ? tree.read(file, 'utf8') : "import {} from 'class-validator';\n";
    tree.write(file, `${withValidators(present)}\n${payloads(some)}`);
    change(contracts.EVENTS, (text) => contracts.withEvents(text, domain, some));
    change(contracts.INDEX, (text) => contracts.withExport(text, domain));
  }
}

/** What is wrong with the name of a new event; undefined when nothing is. */
export function wrongName(event, defined) {
  if (!/^[a-z]+\.[a-z]+$/.test(event)) return 'an event is called <what>.<happened>, such as shipments.dispatched';
  return defined.includes(event) ? 'there is such an event already, and one service alone publishes it' : undefined;
}
