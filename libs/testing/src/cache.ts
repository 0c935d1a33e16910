import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { codeOf } from './errors.js';
import { isAlive } from './processes.js';

/** Where downloads are kept: `$PAVANE_CACHE`, else `$XDG_CACHE_HOME/pavane`, else `~/.cache/pavane`. */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  return env['PAVANE_CACHE'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'pavane');
}

/**
 * Fills a new directory and puts it in place by one rename: others see all of it or nothing.
 * When somebody else was faster, theirs stays and ours is dropped.
 */
export async function publish(target: string, fill: (dir: string) => void | Promise<void>): Promise<string> {
  mkdirSync(dirname(target), { recursive: true });
  const draft = mkdtempSync(`${target}.draft-`);
  try {
    await fill(draft);
    renameSync(draft, target);
  } catch (error) {
    const code = codeOf(error);
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return target;
}

/**
 * Runs the work while holding `file`, so that two processes do not download the same thing twice. It saves work,
 * it does not guard data: the lock of a process that died is taken over, and `publish` is safe without it.
 */
export async function withLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  while (!takeLock(file)) await pause(100);
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

function takeLock(file: string): boolean {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
  if (isAbandoned(file)) rmSync(file, { force: true });
  return false;
}

function isAbandoned(file: string): boolean {
  try {
    const holder = Number.parseInt(readFileSync(file, 'utf8'), 10);
    // Empty: created, and the id not yet written, or never to be written.
    return holder > 0 ? !isAlive(holder) : Date.now() - statSync(file).mtimeMs > 10_000;
  } catch {
    return false;
  }
}
