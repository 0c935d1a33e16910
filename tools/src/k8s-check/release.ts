import { eventually } from '@pavane/testing';
import type { Progress } from '../local/platform.js';
import type { KubernetesApi } from './api.js';
import type { Release } from './helm.js';
import { judge, type Verdict } from './judge.js';
import { imagesOf, type Manifest, ownedBy, titleOf } from './manifests.js';
import { finishJobs } from './stand-in.js';

/** What came of one set of values. */
export interface Outcome {
  values: string;
  /** What was done, as far as it came. */
  steps: string[];
  /** Of the last revision that was looked at. */
  admitted: Pick<Verdict, 'kind' | 'name' | 'child'>[];
  problems: { step: string; object: string; message: string }[];
}

const NEXT_TAG = 'k8s-check-next';

/** Installs, upgrades, rolls back and uninstalls, and asks the API server about every object each time. */
export async function checkRelease(
  api: KubernetesApi,
  release: Release,
  { values, namespace, progress }: { values: string; namespace: string; progress: Progress },
): Promise<Outcome> {
  const outcome: Outcome = { values, steps: [], admitted: [], problems: [] };
  const report = (step: string, object: string, message: string) => outcome.problems.push({ step, object, message });
  const revision = async (step: string): Promise<Manifest[]> => {
    const { kept, hooks } = await release.documents();
    const verdicts: Verdict[] = [];
    for (const document of kept)
      verdicts.push(...(await judge(api, namespace, ownedBy(release.name, namespace, document), true)));
    for (const hook of hooks) verdicts.push(...(await judge(api, namespace, hook, false)));
    for (const verdict of verdicts)
      for (const problem of verdict.problems) report(step, `${verdict.kind} ${verdict.name}`, problem);
    outcome.admitted = verdicts
      .filter(({ problems }) => problems.length === 0)
      .map(({ kind, name, child }) => ({ kind, name, child }));
    return [...kept, ...hooks];
  };

  await using _ = finishJobs(api, namespace);
  const before = new Set((await api.listAll(namespace)).map(titleOf));
  let installed: Manifest[] = [];
  const steps: Record<string, () => Promise<void>> = {
    async install() {
      await release.install();
      installed = await revision('install');
    },
    async upgrade() {
      await release.upgrade({ 'image.tag': NEXT_TAG, 'services.order.replicas': 3 });
      const images = (await revision('upgrade')).flatMap(imagesOf);
      if (!images.some((image) => image.endsWith(`:${NEXT_TAG}`)))
        report('upgrade', 'the release', `image.tag was set to ${NEXT_TAG}, and no pod runs it`);
    },
    async rollback() {
      await release.rollback(1);
      if (JSON.stringify(await revision('rollback')) !== JSON.stringify(installed))
        report('rollback', 'the release', 'what is installed now is not what was at first');
    },
    async uninstall() {
      await release.uninstall();
      await awaitNothingLeft(api, namespace, before);
    },
  };
  for (const [step, act] of Object.entries(steps)) {
    try {
      await progress(`${values}: ${step}`, act);
    } catch (error) {
      report(step, 'the release', (error as Error).message);
      break;
    }
    outcome.steps.push(step);
  }
  return outcome;
}

/** Claims of a StatefulSet are meant to stay: they hold the data. */
async function awaitNothingLeft(api: KubernetesApi, namespace: string, before: ReadonlySet<string>): Promise<void> {
  await eventually(
    async () => {
      const objects = (await api.listAll(namespace)).filter(({ kind }) => kind !== 'PersistentVolumeClaim');
      const left = objects.map(titleOf).filter((title) => !before.has(title));
      if (left.length > 0) throw new Error(`${left.join(', ')} stayed`);
    },
    { withinMs: 5000, what: 'a namespace as it was before the installation' },
  );
}
