// node tools/drop.mjs bench prove e2e
//
// Removes what stands around the product, and what depends on it: workspaces, commands, and what the pages say of them.
// Everything else looks at which folders there are.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What can be dropped, each with the files elsewhere that only it writes or checks. */
const DROPPABLE = {
  bench: ['docs/performance.md', 'docs/performance.svg'],
  prove: [],
  e2e: ['k8s/golden'],
};
const USAGE = `node tools/drop.mjs ${Object.keys(DROPPABLE).join(' ')}   (all of them, or some)

Removes benchmarks (bench), proof (prove), or end-to-end and chart tests (e2e): the folder, its workspace and commands,
and what the pages say of it. npm start, npm run demo, compose, the chart, and the tests of apps and libs need none.
${Object.entries(DROPPABLE)
  .filter(([, others]) => others.length > 0)
  .map(([name, others]) => `${name} takes ${others.join(' and ')} along, which only it writes or checks.`)
  .join('\n')}`;

process.chdir(resolve(dirname(fileURLToPath(import.meta.url)), '..'));
const names = [...new Set(process.argv.slice(2))];
if (names.includes('--help')) {
  console.log(USAGE);
  process.exit(0);
}
if (names.length === 0) stop(`say what to drop\n\n${USAGE}`);
for (const name of names) {
  if (!Object.hasOwn(DROPPABLE, name)) stop(`"${name}" cannot be dropped; say ${Object.keys(DROPPABLE).join(', ')}`);
  if (!existsSync(name)) stop(`${name} is gone already; leave it out`);
}
const removed = names.flatMap((name) => [name, ...DROPPABLE[name]]);
const unsaved = git('status', '--porcelain', '-z', '--untracked-files=all', '--', ...removed).map((line) =>
  line.slice(3),
);
if (unsaved.length > 0)
  stop(`what is not committed would be lost: ${unsaved.join(', ')}; commit it or remove it first`);

const packages = names.map((name) => readJson(`${name}/package.json`).name);
for (const path of removed) rmSync(path, { recursive: true, force: true });

const commands = [];
editJson('package.json', (root) => {
  root.workspaces = root.workspaces.filter((folder) => !names.includes(folder));
  for (const [command, script] of Object.entries(root.scripts))
    if (names.some((name) => script.includes(` ${name}/`))) {
      commands.push(command);
      delete root.scripts[command];
    }
});
editJson('package-lock.json', ({ packages: locked }) => {
  locked[''].workspaces = locked[''].workspaces.filter((folder) => !names.includes(folder));
  for (const path of [...names, ...packages.map((name) => `node_modules/${name}`)]) delete locked[path];
});
// npm would remove these links; until it runs they lead nowhere.
for (const name of packages) rmSync(join('node_modules', name), { force: true });

// A decision stays what it was when it was taken.
for (const page of git('ls-files', '-z', '*.md', ':!docs/decisions').filter((file) => existsSync(file))) {
  const before = readFileSync(page, 'utf8');
  const after = withoutMentions(before, page);
  if (after !== before) writeFileSync(page, after);
}
console.log(
  `${names.join(', ')} dropped. Run npm install, which removes the packages that nothing else needs, then npm run check; read what git diff says of the pages.`,
);

/** A page without the rows, clauses and sentences that speak of what is gone. */
function withoutMentions(text, page) {
  const lines = text.split('\n').flatMap((line) => {
    if (!isAbout(line, page)) return [line];
    if (line.startsWith('|')) return rowWithout(line, page);
    const sentences = line.split(/(?<=\.) /).filter((sentence) => !isAbout(sentence, page));
    return sentences.length > 0 ? [sentences.join(' ')] : [];
  });
  const left = lines.join('\n');
  return left === text ? text : left.replaceAll(/\n{3,}/g, '\n\n');
}

/** A row of a table is about its first cell; what is left of the others may be part of them. */
function rowWithout(line, page) {
  const [first, ...others] = line.slice(2, -2).split(' | ');
  const left = others.map((cell) =>
    cell
      .split('; ')
      .filter((clause) => !isAbout(clause, page))
      .join('; '),
  );
  return isAbout(first, page) || left.includes('') ? [] : [`| ${[first, ...left].join(' | ')} |`];
}

/** Whether a text links to what is gone, names one of its files or commands, or is its line in a list of folders. */
function isAbout(text, page) {
  const links = [...text.matchAll(/\]\(([^()\s#]+)/g)].map(([, target]) => join(dirname(page), target));
  const files = [...text.matchAll(/`([\w.-]+\/[\w./-]*)/g)].map(([, file]) => file);
  const ran = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, command]) => command);
  return (
    [...links, ...files].some((path) => removed.some((gone) => path === gone || path.startsWith(`${gone}/`))) ||
    ran.some((command) => commands.includes(command)) ||
    names.some((name) => text.startsWith(`${name}  `))
  );
}

function git(...args) {
  return execFileSync('git', args, { encoding: 'utf8' }).split('\0').filter(Boolean);
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function editJson(file, edit) {
  const json = readJson(file);
  edit(json);
  writeFileSync(file, `${JSON.stringify(json, undefined, 2)}\n`);
}

function stop(message) {
  console.error(`drop: ${message}`);
  process.exit(2);
}
