import { type KubernetesApi, Refused } from './api.js';
import { childrenOf, type Manifest, sameState, titleOf } from './manifests.js';

/** What the API server says about one object. */
export interface Verdict {
  kind: string;
  name: string;
  /** Not an object of the chart, but what a controller would create of one. */
  child: boolean;
  /** Why it is not as it should be; empty when it is. */
  problems: string[];
}

/**
 * Asks the API server about a document and about what would come of it: it must be admitted without a warning; and,
 * when Helm installed it, be there, and be as the document says.
 */
export async function judge(
  api: KubernetesApi,
  namespace: string,
  document: Manifest,
  installed: boolean,
): Promise<Verdict[]> {
  const own = await problemsOf(async () => {
    const { body, warnings } = await api.wouldApply(document, namespace);
    if (!installed) return warnings;
    const live = await api.read(document, namespace);
    if (!live) return [...warnings, 'Helm says it is installed, and it is not there'];
    return sameState(live, body) ? warnings : [...warnings, 'what is there is not what this revision says'];
  });
  const children = childrenOf(document).map(async (child) => ({
    kind: child.kind,
    name: child.metadata.name,
    child: true,
    problems: (await problemsOf(() => api.create(child, namespace, true))).map(
      (problem) => `its ${titleOf(child)}: ${problem}`,
    ),
  }));
  return [
    { kind: document.kind, name: document.metadata.name, child: false, problems: own },
    ...(await Promise.all(children)),
  ];
}

async function problemsOf(ask: () => Promise<string[]>): Promise<string[]> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof Refused) return [error.message];
    throw error;
  }
}

const MISSPELLED: Manifest = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'misspelled' },
  dta: {},
};

const PRIVILEGED: Manifest = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'privileged' },
  spec: { containers: [{ name: 'main', image: 'scratch', securityContext: { privileged: true } }] },
};

/** Rejects unless this server refuses what it must: else its consent to the chart would say nothing. */
export async function requireStrictness(api: KubernetesApi, namespace: string): Promise<void> {
  for (const [manifest, reason] of [
    [MISSPELLED, 'unknown field "dta"'],
    [PRIVILEGED, 'violates PodSecurity "restricted:latest"'],
  ] as const) {
    const said = await problemsOf(async () => {
      await api.create(manifest, namespace, true);
      return ['nothing'];
    });
    if (!said[0]!.includes(reason))
      throw new Error(
        `the API server should refuse a ${manifest.metadata.name} ${manifest.kind} (${reason}), and said: ${said[0]}`,
      );
  }
}
