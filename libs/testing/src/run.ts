import { execFile, type ExecFileOptionsWithStringEncoding } from 'node:child_process';

/** Runs a command and resolves to its stdout; rejects with the end of what it wrote to stderr, the cause has all of it. */
export function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  return execute(command, args, { encoding: 'utf8', ...options });
}

/** Runs a command under another account, in a directory and an environment that this account can use. */
export function runAs(
  identity: { uid: number; gid: number } | undefined,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<string> {
  return execute(command, args, { encoding: 'utf8', ...identity, cwd: '/', env });
}

function execute(
  command: string,
  args: readonly string[],
  options: ExecFileOptionsWithStringEncoding,
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { ...options, timeout: 300_000 }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const said = stderr.trim().split('\n').slice(-3).join(' ');
      reject(new Error(`${command} failed: ${said || error.message}`, { cause: error }));
    });
  });
}
