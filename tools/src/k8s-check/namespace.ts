import { eventually } from '@pavane/testing';
import type { KubernetesApi } from './api.js';
import type { Manifest } from './manifests.js';

/** A namespace in which Pod Security refuses what is not `restricted`, and warns of it as well; with some objects in it. */
export async function createNamespace(
  api: KubernetesApi,
  name: string,
  objects: readonly Manifest[] = [],
): Promise<void> {
  const level = 'restricted';
  const labels = Object.fromEntries(
    ['enforce', 'warn'].flatMap((mode) => [
      [`pod-security.kubernetes.io/${mode}`, level],
      [`pod-security.kubernetes.io/${mode}-version`, 'latest'],
    ]),
  );
  await api.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }, name);
  // On a cluster a controller creates it; pods that name no other account are refused without it.
  await api.create({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } }, name);
  for (const object of objects) await api.create(object, name);
}

const MONITORING = 'monitoring.coreos.com';
const MONITORING_KINDS = { ServiceMonitor: 'servicemonitors', PrometheusRule: 'prometheusrules' };

/** Makes the kinds of the Prometheus operator known, with any content: their own schemas are not at hand. */
export async function defineMonitoringKinds(api: KubernetesApi): Promise<void> {
  for (const [kind, plural] of Object.entries(MONITORING_KINDS)) await api.create(definition(kind, plural), '');
  await eventually(
    async () => {
      api.rediscover();
      for (const kind of Object.keys(MONITORING_KINDS)) await api.list(`${MONITORING}/v1`, kind, 'default');
    },
    { withinMs: 30_000, everyMs: 100, what: 'the kinds of the Prometheus operator' },
  );
}

const definition = (kind: string, plural: string): Manifest => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${MONITORING}` },
  spec: {
    group: MONITORING,
    scope: 'Namespaced',
    names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: { spec: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
          },
        },
      },
    ],
  },
});
