import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { RUN_FROM_SOURCE } from '@pavane/testing';

export interface SpawnedMain extends AsyncDisposable {
  /** What it printed once it listened. */
  readonly greeting: string;
  /** Sends the signal and resolves to the exit code, or to the name of the signal that ended it. */
  end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
}

/** For tests: runs a server's main.ts from source as a process of its own and resolves when it listens. */
export async function spawnMain(file: string, env: Record<string, string>): Promise<SpawnedMain> {
  const child = spawn(process.execPath, [...RUN_FROM_SOURCE, file], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? code));
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
  const early = ended.then((how) => {
    throw new Error(`${file} ended with ${how}: ${complaint}`);
  });
  const [greeting] = await Promise.race([once(child.stdout, 'data'), early]);
  early.catch(() => undefined);
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal);
    return ended;
  };
  return {
    greeting: String(greeting).trim(),
    end,
    [Symbol.asyncDispose]: async () => void (await end('SIGKILL')),
  };
}
