import { execFile, type ExecFileException } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, lstat, mkdir, mkdtemp, readdir, readlink, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { ROOT } from './local/settings.js';

/** What a command came to. */
export interface Ended {
  code: number;
  /** Of both streams. */
  output: string;
  /** The last line of stdout. */
  result: string;
}

/** For tests: a copy of the repository that may be changed. All is committed, installed, and built as it is here. */
export class Copy implements AsyncDisposable {
  private constructor(readonly dir: string) {}

  static async make(): Promise<Copy> {
    const copy = new Copy(await mkdtemp(join(tmpdir(), 'pavane-copy-')));
    const files = await run(ROOT, 'git', 'ls-files', '--cached', '--others', '--exclude-standard');
    for (const path of [...files.output.split('\n'), ...(await built())])
      if (path !== '' && existsSync(join(ROOT, path)))
        await cp(join(ROOT, path), join(copy.dir, path), { recursive: true, preserveTimestamps: true });
    await linkPackages(join(ROOT, 'node_modules'), join(copy.dir, 'node_modules'));
    const identity = ['-c', 'user.name=test', '-c', 'user.email=test@example.com'];
    await copy.must('git', 'init', '--quiet');
    await copy.must('git', 'add', '--all');
    await copy.must('git', ...identity, 'commit', '--quiet', '--no-gpg-sign', '-m', 'a copy');
    return copy;
  }

  run(command: string, ...args: string[]): Promise<Ended> {
    return run(this.dir, command, ...args);
  }

  /** Runs a command, and rejects with all that it said when it does not succeed. */
  async must(command: string, ...args: string[]): Promise<Ended> {
    const ended = await this.run(command, ...args);
    if (ended.code !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${ended.output}`);
    return ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}

function run(cwd: string, command: string, ...args: string[]): Promise<Ended> {
  const { HOME, PATH = '' } = process.env;
  const env = { HOME, PATH: [join(cwd, 'node_modules/.bin'), PATH].join(delimiter), NX_DAEMON: 'false', NO_COLOR: '1' };
  return new Promise((resolve) => {
    execFile(command, args, { cwd, env, maxBuffer: 1 << 26 }, (error: ExecFileException | null, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, output: out + err, result: out.trimEnd().split('\n').at(-1)! });
    });
  });
}

/** What git does not know, and commands and types are taken from. */
async function built(): Promise<string[]> {
  const folders = ['apps', 'libs'].map(async (room) =>
    (await readdir(join(ROOT, room))).map((name) => `${room}/${name}`),
  );
  return [...(await Promise.all(folders)).flat(), 'tools'].flatMap((folder) => [
    `${folder}/dist`,
    `${folder}/src/generated`,
  ]);
}

/** Links to every package; a workspace is linked relative to `node_modules`, and so to the copy's own. */
async function linkPackages(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const name of await readdir(from)) {
    // Without it commands look at what is installed.
    if (name === '.installed-from') continue;
    const [source, target] = [join(from, name), join(to, name)];
    if ((await lstat(source)).isSymbolicLink()) await symlink(await readlink(source), target);
    else if (name.startsWith('@')) await linkPackages(source, target);
    else await symlink(source, target);
  }
}
