import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { ROOT } from '@pavane/tools';
import { parseAllDocuments } from 'yaml';

export const CHART = join(ROOT, 'k8s');
export const VALUES_KEYS = join(import.meta.dirname, 'fixtures/values-keys.yaml');

/** The path of a program: its variable, else from `PATH`; undefined without it. */
export function find(name: string, variable: string): string | undefined {
  const named = process.env[variable];
  if (named) return named;
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((dir) => dir !== '')
    .map((dir) => join(dir, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** A `describe` that needs a program, and says so where it is skipped. `CHART_TESTS=required` takes helm for granted. */
export function describeWith(name: string, variable: string, url: string): typeof describe.skip {
  if (find(name, variable)) return describe;
  const missing = `needs ${name} in PATH or ${variable} (${url})`;
  if (name === 'helm' && process.env['CHART_TESTS'] === 'required') throw new Error(`CHART_TESTS=required ${missing}`);
  process.stderr.write(`SKIPPED: ${expect.getState().testPath}: ${missing}\n`);
  return describe.skip;
}

export const describeChart: typeof describe.skip = describeWith(
  'helm',
  'HELM_BIN',
  'https://helm.sh/docs/intro/install',
);

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  // oxlint-disable-next-line typescript/no-explicit-any
  [field: string]: any;
}

/** Runs helm; rejects with what it wrote to standard error. */
export async function helm(...args: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(find('helm', 'HELM_BIN')!, args, { maxBuffer: 64 * 1024 ** 2 });
    return stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${stderr}${stdout}`, { cause: error });
  }
}

/** The chart as helm renders it with these arguments (`-f FILE`, `--set a=b`), its hooks and tests among them. */
export const template = (args: readonly string[]): Promise<string> =>
  helm('template', 'pavane', CHART, '--namespace', 'pavane', ...args);

export function manifestsIn(rendered: string): Manifest[] {
  return parseAllDocuments(rendered)
    .map((document) => document.toJS() as Manifest | null)
    .filter((manifest) => manifest !== null);
}

/** Runs a program that tells by its exit code; resolves to all it wrote. */
export function run(file: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  return new Promise<{ code: number; output: string }>((resolve) => {
    execFile(file, args, { env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: `${stdout}${stderr}` }),
    );
  });
}
