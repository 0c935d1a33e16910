import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { main } from './cli/command.js';
import { printed } from './cli/progress.js';
import { binaries, KUBERNETES, PROGRAMS } from './k8s-check/binaries.js';
import { startCluster } from './k8s-check/cluster.js';
import { Release } from './k8s-check/helm.js';
import { requireStrictness } from './k8s-check/judge.js';
import { documentsOf } from './k8s-check/manifests.js';
import { createNamespace, defineMonitoringKinds } from './k8s-check/namespace.js';
import { checkRelease, type Outcome } from './k8s-check/release.js';
import { reportOf } from './k8s-check/report.js';
import { emit } from './keys/emit.js';
import { KeyRing } from './keys/ring.js';
import { ROOT } from './local/settings.js';

const CHART = join(ROOT, 'k8s');

await main({
  usage: 'npm run k8s:check -- [--build] [--json]',
  about:
    'Installs, upgrades, rolls back and uninstalls the chart against a real kube-apiserver, once per values file, with strict validation and Pod Security enforced. Nothing of it is run: there are no nodes.',
  options: { build: { type: 'boolean' }, json: { type: 'boolean' } },
  help: {
    '--build': 'build what is missing with Go, once, into the cache; some 2,000 packages, so it takes its time',
    '--json': 'print one JSON object as the last line',
    KUBE_APISERVER_BIN: `a kube-apiserver to use instead of the one on PATH or in the cache (${KUBERNETES})`,
    ETCD_BIN: `an etcd to use instead (${PROGRAMS.etcd.version})`,
    HELM_BIN: `a helm 4 to use instead (${PROGRAMS.helm.version})`,
    PAVANE_CACHE: 'where programs are kept once built (default ~/.cache/pavane)',
  },
  async run({ build, json }) {
    const { helm, ...servers } = await binaries(build ?? false);
    await using cluster = await printed('etcd and kube-apiserver', () => startCluster(servers));
    const { api, dir, helmEnvironment } = cluster;
    const keys = join(dir, 'keys');
    emit(KeyRing.open(keys), { kubernetes: true });
    const secrets = documentsOf(readFileSync(join(keys, 'secrets.yaml'), 'utf8'));
    await printed('the API server refuses what it must', async () => {
      await defineMonitoringKinds(api);
      await createNamespace(api, 'strictness');
      await requireStrictness(api, 'strictness');
    });
    const outcomes: Outcome[] = [];
    for (const file of valuesFiles()) {
      const values = basename(file, '.yaml');
      const namespace = `check-${values}`;
      await createNamespace(api, namespace, secrets);
      const release = new Release(helm, helmEnvironment, namespace, CHART, [file, join(keys, 'values-keys.yaml')]);
      outcomes.push(await checkRelease(api, release, { values, namespace, progress: printed }));
    }
    const ok = outcomes.every(({ problems }) => problems.length === 0);
    console.log(json ? JSON.stringify({ ok, kubernetes: await api.version(), outcomes }) : reportOf(outcomes));
    return ok ? 0 : 1;
  },
});

/** One release each: the values for every environment, or the chart's own where there are none. */
function valuesFiles(): string[] {
  const files = readdirSync(CHART).filter((file) => /^values-.*\.yaml$/.test(file));
  return (files.length > 0 ? files.toSorted() : ['values.yaml']).map((file) => join(CHART, file));
}
