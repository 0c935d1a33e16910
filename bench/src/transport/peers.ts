import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Progress } from '@pavane/tools';
import { missingProgram } from './broker.js';
import { type Entry, PEERS, PEERS_DIR } from './entries.js';

/** One that was not measured, and why. */
export interface Skipped {
  name: string;
  reason: string;
}

/** The peers that can be run here; installs them when they are not. Those that cannot are told with the reason. */
export async function findPeers(progress: Progress): Promise<{ entries: Entry[]; skipped: Skipped[] }> {
  try {
    await install(progress);
  } catch (error) {
    const reason = `the peers could not be installed: ${(error as Error).message}`;
    return { entries: [], skipped: PEERS.map(({ name }) => ({ name, reason })) };
  }
  const skipped = PEERS.flatMap(({ name, broker }) => {
    const program = missingProgram(broker);
    return program === undefined ? [] : [{ name, reason: `there is no ${program} in PATH` }];
  });
  return { entries: PEERS.filter(({ name }) => !skipped.some((one) => one.name === name)), skipped };
}

/** `npm ci` in the peers' own workspace, once for each of its lock files. */
async function install(progress: Progress): Promise<void> {
  const hash = createHash('sha256')
    .update(readFileSync(join(PEERS_DIR, 'package-lock.json')))
    .digest('hex');
  const stamp = join(PEERS_DIR, 'node_modules', '.installed-from');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return;
  await progress('npm ci in bench/peers', npmCi);
  writeFileSync(stamp, hash);
}

async function npmCi(): Promise<void> {
  // npm itself names its program to what it runs; outside of npm it is looked up in PATH.
  const npm = process.env['npm_execpath'];
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const args = [...first, 'ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const child = spawn(command, args, { cwd: PEERS_DIR, stdio: ['ignore', 'pipe', 'pipe'] });
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) throw new Error(`npm ci in ${PEERS_DIR} ended with ${code}: ${printed.trim().slice(-1_000)}`);
}
