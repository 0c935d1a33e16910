import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { describe } from '@jest/globals';
import { ROOT } from '@pavane/tools';
import { parseAllDocuments } from 'yaml';
import { describeWith, find } from '../harness/programs.js';

export const CHART = join(ROOT, 'k8s');
export const VALUES_KEYS = join(import.meta.dirname, 'fixtures/values-keys.yaml');

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
