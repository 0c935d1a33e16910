import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { codeOf } from './errors.js';

/** True when a process with this id exists, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/**
 * The id in the first line of a pid file, when such a process runs and its command line contains `argument`.
 * Undefined for a file left behind by a crash, also when the id belongs to another program by now.
 */
export function ownerOf(pidFile: string, argument: string): number | undefined {
  let pid: number;
  try {
    pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
  } catch {
    return undefined;
  }
  if (!(pid > 0) || pid === process.pid || !isAlive(pid)) return undefined;
  return commandLine(pid).includes(argument) ? pid : undefined;
}

/** Resolves to the owner that is still there after `withinMs`, or to undefined as soon as there is none. */
export async function awaitNoOwner(pidFile: string, argument: string, withinMs: number): Promise<number | undefined> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const owner = ownerOf(pidFile, argument);
    if (owner === undefined || performance.now() > deadline) return owner;
    await pause(50);
  }
}

function commandLine(pid: number): string {
  if (process.platform === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  }
  return spawnSync('ps', ['-p', String(pid), '-o', 'command='], { encoding: 'utf8' }).stdout ?? '';
}
