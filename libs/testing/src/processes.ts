import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
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

/**
 * Resolves when a process that was sent SIGSTOP stands still, or is no more. The signal is on its way when `kill` returns: threads
 * that run on other cores go on for a moment. Rejects when it is not so within `withinMs`.
 */
export async function awaitStopped(pid: number, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!statesOf(pid).every((state) => 'TZX'.includes(state))) {
    if (performance.now() > deadline) throw new Error(`process ${pid} did not stop within ${withinMs} ms of SIGSTOP`);
    await pause(5);
  }
}

/** The states of all threads, as one letter each; of the process alone where there is no /proc. None for none. */
function statesOf(pid: number): string[] {
  if (process.platform !== 'linux') {
    const { stdout } = spawnSync('ps', ['-p', String(pid), '-o', 'state='], { encoding: 'utf8' });
    return stdout.trim() === '' ? [] : [stdout.trim().charAt(0)];
  }
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      // After the name, which may hold anything, in parentheses.
      return stat.charAt(stat.lastIndexOf(')') + 2);
    });
  } catch (error) {
    // A thread, or all, ended while they were being read.
    if (isAlive(pid)) return ['?'];
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return [];
    throw error;
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
