import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Root's PATH does not always name where the tools of root are. */
export const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

/** Runs a program of the system and resolves to what it printed. Rejects with what it complained about. */
export async function command(program: string, ...args: string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { env })).stdout;
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
    const why = code === 'ENOENT' ? `${program} is not installed` : stderr?.trim().split('\n')[0] || message;
    throw new Error(code === 'ENOENT' ? why : `${program} ${args.join(' ')}: ${why}`, { cause: error });
  }
}

/** Resolves to why the attempt failed, or to undefined when it did not. */
export async function reasonAgainst(attempt: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await attempt();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Whether what carries this process id in its name was left behind by a run that is no more. */
export function isLeftover(pid: string | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === 'ESRCH';
  }
}
