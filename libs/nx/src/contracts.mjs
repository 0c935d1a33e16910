// Reads and changes the files of libs/contracts in which services and events are listed. They are formatted by oxfmt, which
// is what these expressions go by: a definition ends on its first line, or on the first line that is `  },`. A change throws
// where it finds nothing to change.

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
  changed(source, new RegExp(`^ {2}${name}: \\{\\n[^]*?^ {2}\\},\\n`, 'm'), () => '', `${SAGA}: the service ${name}`);

/** The table with one more row, last of its service. */
export const withRow = (source, service, input, says) =>
  changed(
    source,
    new RegExp(`^ {2}${service}: \\{\\n[^]*?(?=^ {2}\\},$)`, 'm'),
    (found) => found + rowText(input, says),
    `${SAGA}: the service ${service}`,
  );

/** The table without an input, whoever has it. */
export const withoutRow = (source, input) =>
  changed(
    source,
    new RegExp(`^ {4}'${escaped(input)}': \\[[^\\]]*\\],\\n`, 'gm'),
    () => '',
    `${SAGA}: a row '${input}'`,
  );

/** The table with one more event among what a service publishes in answer to an input. */
export const withAnswer = (source, service, input, event) =>
  changed(
    source,
    new RegExp(`(^ {2}${service}: \\{\\n(?:(?!^ {2}\\},$)[^])*?^ {4}'${escaped(input)}': \\[)([^\\]]*)(?=\\])`, 'm'),
    (_, before, says) => `${before}${says.trim() ? `${says.trim().replace(/,$/, '')}, ` : ''}'${event}'`,
    `${SAGA}: the row '${input}' of ${service}`,
  );

/** The port of each service. */
export const portsIn = (source) =>
  new Map([...source.matchAll(/^ {2}(\w+): \{\s*port: (\d+)/gm)].map(([, name, port]) => [name, Number(port)]));

/** The port of each simulator that a service brings along. */
export const simulatorsIn = (source) =>
  new Map(
    [...source.matchAll(/^(?! *readonly).*\bsimulators: \{([^}]*)\}/gm)].flatMap(([, some]) =>
      [...some.matchAll(/([\w-]+)'?: (\d+)/g)].map(([, name, port]) => [name, Number(port)]),
    ),
  );

export const withPort = (source, name, port) =>
  inserted(source, /^\} satisfies Record<Service, Definition>;/m, `  ${name}: { port: ${port} },\n`, SERVICES);

export const withoutPort = (source, name) =>
  changed(source, definition(name), () => '', `${SERVICES}: the service ${name}`);

/** Values of the chart without those of a service; there may be none. */
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
  const names = events.map(classOf).join(', ');
  const rows = events.map((event) => `  '${event}': { version: 1, payload: ${classOf(event)} },\n`).join('');
  const imported = isImported(source, domain)
    ? changed(
        source,
        new RegExp(`,?\\s*\\} from '\\./${domain}\\.js';`),
        () => `, ${names} } from './${domain}.js';`,
        `${EVENTS}: the import of ${domain}.js`,
      )
    : inserted(source, /^\n\/\*\* Makes of what/m, `import { ${names} } from './${domain}.js';\n`, EVENTS);
  return inserted(imported, /^\} as const satisfies Record<string, Definition>;/m, rows, EVENTS);
}

/** The definitions with the version after the present one, which carries what the present one does. */
export const withNextVersion = (source, event) =>
  changed(
    source,
    eventDefinition(event),
    (present) => {
      const what = `${EVENTS}: in '${event}'`;
      let version;
      const next = changed(
        present,
        /version: (\d+)/,
        (_, number) => `version: ${(version = Number(number)) + 1}`,
        `${what} a version: <number>`,
      );
      return /\bearlier:/.test(next)
        ? changed(next, /earlier: \{/, (found) => `${found} ${version}: (data) => data,`, `${what} earlier: {`)
        : changed(
            next,
            /payload: \w+/,
            (found) => `${found}, earlier: { ${version}: (data) => data }`,
            `${what} a payload: <class>`,
          );
    },
    `${EVENTS}: the event '${event}'`,
  );

/** The definitions without an event, and without the import of its payload where no other event carries the same. */
export function withoutEvent(source, event) {
  const { name } = payloadOf(source, event);
  const left = changed(source, eventDefinition(event), () => '', `${EVENTS}: the event '${event}'`);
  return carries(left, name) ? left : withoutUnusedImports(left);
}

/** The class of what an event carries, and the file in libs/contracts/src/events that has it, without its ending. */
export function payloadOf(source, event) {
  const [, name] = located(source, eventDefinition(event), `the event '${event}'`)[0].match(/payload: (\w+)/) ?? [];
  if (!name) throw new Error(`${EVENTS}: '${event}' does not say payload: <class>`);
  const [, file] = located(
    source,
    new RegExp(`^import \\{[^}]*\\b${name}\\b[^}]*\\} from '\\./(.*)\\.js';`, 'm'),
    name,
  );
  return { name, file };
}

/** Whether an event carries a class. */
export const carries = (source, name) => new RegExp(`payload: ${name}\\b`).test(source);

/** Whether anything is imported from a file beside the definitions. */
export const isImported = (source, file) => source.includes(`from './${file}.js';`);

/** A file of payloads without one of them, what was said about it, and the imports that it alone used. */
export const withoutClass = (source, name) =>
  withoutUnusedImports(
    changed(
      source,
      new RegExp(`^(?:/\\*\\*(?:(?!\\*/)[^])*\\*/\\n)?export class ${name}\\b(?:.*\\{\\}\\n|[^]*?^\\}\\n)\\n?`, 'm'),
      () => '',
      `libs/contracts/src/events: the class ${name}`,
    ),
  );

export function withoutUnusedImports(source) {
  const text = source.replaceAll(/^import [^;]*;\n/gm, '');
  return source.replaceAll(/^import (type )?\{([^}]*)\} from (.*);\n/gm, (whole, type = '', names, from) => {
    const all = names.split(',').flatMap((name) => name.trim() || []);
    const used = all.filter((name) => new RegExp(`\\b${name.split(/\s/).at(-1)}\\b`).test(text));
    if (used.length === all.length) return whole;
    return used.length > 0 ? `import ${type}{ ${used.join(', ')} } from ${from};\n` : '';
  });
}

export const withExport = (source, domain) => {
  const line = exportText(domain);
  return source.includes(line) ? source : inserted(source, /^export \* from '\.\/events\/values\.js';/m, line, INDEX);
};

export const withoutExport = (source, domain) =>
  changed(source, exportText(domain), () => '', `${INDEX}: the export of events/${domain}.js`);

const exportText = (domain) => `export * from './events/${domain}.js';\n`;

const escaped = (text) => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');

const definition = (key) => new RegExp(`^ {2}${key}: \\{(?:.*\\},\\n|\\n[^]*?^ {2}\\},\\n)`, 'm');
const eventDefinition = (event) => definition(`'${escaped(event)}'`);

function located(source, pattern, what) {
  const match = pattern.exec(source);
  if (!match) throw new Error(`${EVENTS}: ${what} was not found; it may not be formatted: npx oxfmt ${EVENTS}`);
  return match;
}

/** @throws Error that names what is missing, and its file */
function changed(source, pattern, by, what) {
  let matched = false;
  const result = source.replace(pattern, (...match) => {
    matched = true;
    return by(...match);
  });
  if (!matched)
    throw new Error(`${what} was not found, and nothing is changed; format the file (npm run format) first`);
  return result;
}

function inserted(source, before, text, file) {
  if (!before.test(source)) throw new Error(`${file} is not as it was made: ${before} is not in it`);
  return source.replace(before, (match) => text + match);
}
