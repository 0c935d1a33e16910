// Reads and changes the files of libs/contracts in which services and events are listed. They are formatted by oxfmt, which
// is what these expressions go by.

export const SAGA = 'libs/contracts/src/saga.ts';
export const SERVICES = 'libs/contracts/src/services.ts';
export const EVENTS = 'libs/contracts/src/events/index.ts';
export const INDEX = 'libs/contracts/src/index.ts';

/** The table as text says it: by service its inputs, and to each what the service publishes. */
export function sagaIn(source) {
  const services = new Map();
  for (const [, name, body] of source.matchAll(/^ {2}(\w+): \{\n([^]*?)^ {2}\},$/gm)) {
    const rows = new Map();
    for (const [, input, says] of body.matchAll(/^ {4}'([^'\n]+)': \[([^\]]*)\],$/gm))
      rows.set(
        input,
        [...says.matchAll(/'([^']+)'/g)].map(([, event]) => event),
      );
    services.set(name, rows);
  }
  return services;
}

const rowText = (input, says) => `    '${input}': [${says.map((event) => `'${event}'`).join(', ')}],\n`;

export const withService = (source, name, rows) =>
  inserted(
    source,
    /^\} as const satisfies/m,
    `  ${name}: {\n${[...rows].map(([input, says]) => rowText(input, says)).join('')}  },\n`,
    SAGA,
  );

export const withoutService = (source, name) =>
  source.replace(new RegExp(`^ {2}${name}: \\{\\n[^]*?^ {2}\\},\\n`, 'm'), '');

/** The table with one more row, last of its service. */
export function withRow(source, service, input, says) {
  const block = new RegExp(`^ {2}${service}: \\{\\n[^]*?(?=^ {2}\\},$)`, 'm');
  if (!block.test(source)) throw new Error(`${SAGA} has no service ${service}`);
  return source.replace(block, (found) => found + rowText(input, says));
}

export const withoutRow = (source, input) =>
  source.replaceAll(new RegExp(`^ {4}'${input.replaceAll('.', '\\.')}': \\[[^\\]]*\\],\\n`, 'gm'), '');

/** The table without an event among what anybody publishes. */
export function withoutAnswer(source, event) {
  const quoted = `'${event.replaceAll('.', '\\.')}'`;
  return source.replaceAll(new RegExp(`${quoted}, |, ${quoted}|${quoted}(?=\\])`, 'g'), '');
}

/** The table with one more event among what a service publishes in answer to an input. */
export function withAnswer(source, service, input, event) {
  const row = new RegExp(
    `(^ {2}${service}: \\{\\n(?:(?!^ {2}\\},$)[^])*?^ {4}'${input.replaceAll('.', '\\.')}': \\[)([^\\]]*)(?=\\])`,
    'm',
  );
  return source.replace(
    row,
    (_, before, says) => `${before}${says.trim() ? `${says.trim().replace(/,$/, '')}, ` : ''}'${event}'`,
  );
}

/** The definitions with the version after the present one, which carries what the present one does. */
export const withNextVersion = (source, event) =>
  source.replace(
    new RegExp(`^ {2}'${event.replaceAll('.', '\\.')}': \\{[^]*?\\n?(?: {2})?\\},\\n(?= {2}'|\\} as)`, 'm'),
    (definition) => {
      const version = Number(/version: (\d+)/.exec(definition)[1]);
      const next = definition.replace(/version: \d+/, `version: ${version + 1}`);
      return next.includes('earlier: {')
        ? next.replace('earlier: {', `earlier: { ${version}: (data) => data,`)
        : next.replace(/,?\s*\},\n$/, `, earlier: { ${version}: (data) => data } },\n`);
    },
  );

/** The port of each service. */
export const portsIn = (source) =>
  new Map([...source.matchAll(/^ {2}(\w+): \{\s*port: (\d+)/gm)].map(([, name, port]) => [name, Number(port)]));

export const withPort = (source, name, port) =>
  inserted(source, /^\} satisfies Record<Service, Definition>;/m, `  ${name}: { port: ${port} },\n`, SERVICES);

export const withoutPort = (source, name) =>
  source.replace(new RegExp(`^ {2}${name}: \\{(?:.*\\},\\n|\\n[^]*?^ {2}\\},\\n)`, 'm'), '');

/** Values of the chart without those of a service. */
export const withoutValues = (source, name) => source.replace(new RegExp(`^ {2}${name}:.*\\n(?: {4}.*\\n)*`, 'm'), '');

/** The events that are defined. */
export const eventsIn = (source) => [...source.matchAll(/^ {2}'([a-z]+\.[a-z]+)': \{/gm)].map(([, event]) => event);

/** `shipments.dispatched` carries a `ShipmentsDispatched`. */
export const classOf = (event) =>
  event
    .split('.')
    .map((part) => part[0].toUpperCase() + part.slice(1))
    .join('');

export function withEvents(source, domain, events) {
  const imports = `import { ${events.map(classOf).join(', ')} } from './${domain}.js';\n`;
  const rows = events.map((event) => `  '${event}': { version: 1, payload: ${classOf(event)} },\n`).join('');
  return inserted(
    inserted(source, /^\n\/\*\* Makes of what/m, imports, EVENTS),
    /^\} as const satisfies Record<string, Definition>;/m,
    rows,
    EVENTS,
  );
}

export function withoutEvent(source, event) {
  const name = classOf(event);
  return source
    .replace(new RegExp(`^ {2}'${event.replaceAll('.', '\\.')}': \\{[^]*?\\},\\n`, 'm'), '')
    .replaceAll(/^import \{([^}]*)\} from (.*);\n/gm, (whole, names, from) => {
      const left = names.split(',').flatMap((one) => (one.trim() && one.trim() !== name ? [one.trim()] : []));
      return left.length === names.split(',').filter((one) => one.trim()).length
        ? whole
        : left.length > 0
          ? `import { ${left.join(', ')} } from ${from};\n`
          : '';
    });
}

export const withExport = (source, domain) => {
  const line = `export * from './events/${domain}.js';\n`;
  return source.includes(line) ? source : inserted(source, /^export \* from '\.\/events\/values\.js';/m, line, INDEX);
};

export const withoutExport = (source, domain) => source.replace(`export * from './events/${domain}.js';\n`, '');

function inserted(source, before, text, file) {
  if (!before.test(source)) throw new Error(`${file} is not as it was made: ${before} is not in it`);
  return source.replace(before, (found) => text + found);
}
