import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { publish, ServerProcess } from '@pavane/testing/servers';
import { printed } from '../cli/progress.js';

const execute = promisify(execFile);

/** A program in Go, by the module that has it. */
export interface GoProgram {
  module: string;
  version: string;
  /** The package to build. */
  main: string;
  /** A variable of the program to set, as `package.name=value`. */
  stamp?: string;
}

const SAY_EVERY_MS = 30_000;

/**
 * Builds a program of a published module into a new `dir` and resolves to its path. `go install` refuses modules that
 * replace others by folders of their own repository, as Kubernetes and etcd do; so the program is built from a module
 * of our own that requires theirs, with the same replacements by version.
 */
export async function buildWithGo(name: string, program: GoProgram, dir: string): Promise<string> {
  const workDir = `${dir}.build`;
  mkdirSync(workDir, { recursive: true });
  await printed(`${program.module} ${program.version} is read`, async () => {
    writeFileSync(join(workDir, 'go.mod'), goMod(program, await goModOf(program, workDir)));
  });
  await printed(`${name} is built with Go, at low priority`, () => compile(name, program, workDir));
  // In place by one rename: a build that was broken off leaves no half of a program.
  await publish(dir, (draft) => renameSync(join(workDir, name), join(draft, name)));
  rmSync(workDir, { recursive: true });
  return join(dir, name);
}

/** The module file that builds a program whose own module file is `theirs`; exported to be tested. */
export function goMod({ module, version }: GoProgram, theirs: string): string {
  const go = /^go .*$/m.exec(theirs)?.[0] ?? 'go 1.26';
  // Kubernetes publishes its parts beside itself: part 0.37.2 belongs to 1.37.2.
  const parts = version.replace(/^v1\./, 'v0.');
  const staged = [...theirs.matchAll(/^\s*(\S+) => \.\/staging\//gm)].map(
    ([, name]) => `\t${name} => ${name} ${parts}`,
  );
  const replace = staged.length > 0 ? `\nreplace (\n${staged.join('\n')}\n)\n` : '';
  return `module k8s-check\n\n${go}\n\nrequire ${module} ${version}\n${replace}`;
}

async function goModOf({ module, version }: GoProgram, cwd: string): Promise<string> {
  // Outside of a module: the one in the making may be broken.
  const env = { ...process.env, GOFLAGS: '-mod=mod', GO111MODULE: 'on' };
  rmSync(join(cwd, 'go.mod'), { force: true });
  const { stdout } = await execute('go', ['mod', 'download', '-json', `${module}@${version}`], { cwd, env });
  return readFileSync((JSON.parse(stdout) as { GoMod: string }).GoMod, 'utf8');
}

/** Runs the compiler so that it ends with this process, and says now and again how far it is. */
async function compile(name: string, { main, stamp }: GoProgram, cwd: string): Promise<void> {
  const logFile = join(cwd, 'build.log');
  writeFileSync(logFile, '');
  const flags = ['-s', '-w', ...(stamp ? ['-X', stamp] : [])].join(' ');
  const args = ['go', 'build', '-mod=mod', '-trimpath', '-v', '-ldflags', flags, '-o', name, main];
  const go = ServerProcess.launch({
    name: 'go build',
    command: 'nice',
    args: ['-n', '19', ...args],
    logFile,
    cwd,
    orphanSignal: 'SIGINT',
  });
  const start = performance.now();
  const timer = setInterval(() => {
    const compiled = readFileSync(logFile, 'utf8').split('\n').length - 1;
    const minutes = Math.round((performance.now() - start) / 6000) / 10;
    process.stderr.write(`  … ${name}: ${compiled} packages fetched and compiled after ${minutes} min\n`);
  }, SAY_EVERY_MS);
  const outcome = await go.exited.finally(() => clearInterval(timer));
  if (outcome !== 'exited with code 0') throw new Error(`go build ${main} ${outcome}; its log ends:\n${go.logTail()}`);
}
