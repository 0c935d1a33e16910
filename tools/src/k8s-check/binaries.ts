import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { cacheDir, isExecutable } from '@pavane/testing/servers';
import { buildWithGo, type GoProgram } from './go-build.js';

/** What the check is made for. The chart is rendered for, and admitted by, this Kubernetes. */
export const KUBERNETES = '1.37.2';

export const PROGRAMS = {
  etcd: {
    variable: 'ETCD_BIN',
    module: 'go.etcd.io/etcd/server/v3',
    version: 'v3.7.3',
    main: 'go.etcd.io/etcd/server/v3',
  },
  'kube-apiserver': {
    variable: 'KUBE_APISERVER_BIN',
    module: 'k8s.io/kubernetes',
    version: `v${KUBERNETES}`,
    main: 'k8s.io/kubernetes/cmd/kube-apiserver',
    // Else it says to be version 0.0, and Helm asks a chart's kubeVersion of that.
    stamp: `k8s.io/component-base/version.gitVersion=v${KUBERNETES}`,
  },
  helm: {
    variable: 'HELM_BIN',
    module: 'helm.sh/helm/v4',
    version: 'v4.3.1',
    main: 'helm.sh/helm/v4/cmd/helm',
  },
} satisfies Record<string, GoProgram & { variable: string }>;

export type ProgramName = keyof typeof PROGRAMS;
export type Binaries = Record<ProgramName, string>;

/** A program is neither here nor may it be built. The message says what each one needs. */
export class BinariesMissing extends Error {
  readonly code = 'BINARIES_MISSING';

  constructor(missing: readonly ProgramName[], cache: string) {
    const lines = missing.map((name) => {
      const { variable, module, version } = PROGRAMS[name];
      return `  - ${name}: set ${variable}, or put it on PATH, or build ${module} ${version}`;
    });
    super(
      `these programs were not found, neither on PATH nor in ${cache}:\n${lines.join('\n')}\n` +
        '  With Go (https://go.dev/dl) on PATH, npm run k8s:check -- --build builds them, once: the API server alone is some 2,000 packages of Go.',
    );
    this.name = 'BinariesMissing';
  }
}

/** The three programs: named by their variable, else on PATH, else built earlier, else, if that is allowed, built now. */
export async function binaries(build: boolean, env: NodeJS.ProcessEnv = process.env): Promise<Binaries> {
  const names = Object.keys(PROGRAMS) as ProgramName[];
  const found = new Map(names.map((name) => [name, find(name, env)]));
  const missing = names.filter((name) => !found.get(name));
  if (missing.length > 0 && !build) throw new BinariesMissing(missing, cacheDir(env));
  if (missing.length > 0 && !hasGo())
    throw new Error(`--build needs Go on PATH (https://go.dev/dl) to build ${missing.join(', ')}`);
  for (const name of missing) found.set(name, await buildWithGo(name, PROGRAMS[name], homeOf(name, env)));
  return Object.fromEntries(found) as Binaries;
}

function find(name: ProgramName, env: NodeJS.ProcessEnv): string | undefined {
  const { variable } = PROGRAMS[name];
  const named = env[variable];
  if (named) {
    if (isExecutable(named)) return named;
    throw new Error(`${variable} is "${named}", which is no program that can be run here`);
  }
  const dirs = [...(env['PATH'] ?? '').split(delimiter).filter(Boolean), homeOf(name, env)];
  return dirs.map((dir) => join(dir, name)).find(isExecutable);
}

/** The directory in the cache that holds the program, and it alone. */
const homeOf = (name: ProgramName, env: NodeJS.ProcessEnv): string =>
  join(cacheDir(env), `${name}-${PROGRAMS[name].version}`);

const hasGo = (): boolean => spawnSync('go', ['version']).status === 0;
