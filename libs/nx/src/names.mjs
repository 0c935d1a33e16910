import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as contracts from './contracts.mjs';

/** Of JavaScript, and of the languages in which a service is a key or a node: YAML, Mermaid. */
const WORDS = new Set(
  `arguments async await break case catch class const constructor continue debugger default delete do else enum eval export
  extends false finally for from function get if implements import in instanceof interface let new null of package private
  protected prototype public return set static super switch this throw true try type typeof undefined var void while with
  yield n no off on y yes click end graph style subgraph`.split(/\s+/),
);
/** Users of NATS and databases that are there anyway. */
const OTHERS = ['operator', 'monitor', 'template0', 'template1', 'smtp'];
const TEMPLATES = join(import.meta.dirname, 'participant/files/src');

/** What is wrong with the name of a new service, since something else is called so; undefined when nothing is. */
export function reservedName(tree, name) {
  const folder = ['libs', 'apps']
    .flatMap((parent) => tree.children(parent).map((child) => `${parent}/${child}`))
    .concat(['tools', 'e2e', 'prove', 'bench', 'docker', 'docs', 'k8s'])
    .find((path) => path.split('/').at(-1) === name);
  if (folder) return `${folder} is called so`;
  if (serversOf(tree).has(name)) return 'a server in docker-compose.yml is called so';
  if (contracts.simulatorsIn(tree.read(contracts.SERVICES, 'utf8')).has(name)) return 'a simulator is called so';
  if (OTHERS.includes(name)) return 'the platform has something else of this name';
  if (WORDS.has(name)) return 'it is a keyword';
  if (typesOfTemplates().has(name[0].toUpperCase() + name.slice(1)))
    return 'the code of a service has a type of this name';
  return undefined;
}

/** The name of what listens on a port already. */
export function ownerOf(tree, port) {
  const services = tree.read(contracts.SERVICES, 'utf8');
  const owners = [...contracts.portsIn(services), ...contracts.simulatorsIn(services)];
  for (const [name, text] of serversOf(tree))
    for (const [, published] of text.matchAll(/'127\.0\.0\.1:(\d+):\d+'/g)) owners.push([name, Number(published)]);
  return owners.find(([, taken]) => taken === port)?.[0];
}

/** What compose starts, by name, as text. */
function serversOf(tree) {
  if (!tree.exists('docker-compose.yml')) return new Map();
  const [, services = ''] = /^services:\n((?:(?: .*|#.*)?\n)*)/m.exec(tree.read('docker-compose.yml', 'utf8')) ?? [];
  const starts = [...services.matchAll(/^ {2}([\w-]+):/gm)];
  return new Map(starts.map(({ 1: name, index }, i) => [name, services.slice(index, starts[i + 1]?.index)]));
}

/** The types that the templates define or use, but for those that begin with the name of the service. */
function typesOfTemplates() {
  const types = new Set();
  for (const file of readdirSync(TEMPLATES)) {
    const code = readFileSync(join(TEMPLATES, file), 'utf8').replaceAll(/^\s*\/\*\*.*$/gm, '');
    for (const [type] of code.replaceAll(/<%= Name %>\w*/g, '').matchAll(/\b[A-Z]\w*/g)) types.add(type);
  }
  return types;
}
