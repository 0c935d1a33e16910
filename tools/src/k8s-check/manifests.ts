import { parseAllDocuments } from 'yaml';

/** A Kubernetes object, as far as this check looks into it. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; [field: string]: unknown };
  [field: string]: unknown;
}

/** A pod template, as workloads carry it. */
interface Template {
  metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: { volumes?: object[]; [field: string]: unknown };
}

interface WorkloadSpec {
  template?: Template;
  jobTemplate?: { spec: { template: Template } };
  volumeClaimTemplates?: { metadata: { name: string }; spec: object }[];
}

/** The objects of a file of several documents. A document that is not valid YAML is an error that quotes the place. */
export function documentsOf(text: string): Manifest[] {
  // As Kubernetes reads it: 0440 is octal, as for the mode of a file.
  return parseAllDocuments(text, { version: '1.1' }).flatMap((document) => {
    const [error] = document.errors;
    if (error) throw new Error(`what helm rendered is not valid YAML: ${error.message}`);
    const object = document.toJS() as Manifest | null;
    return object ? [object] : [];
  });
}

/**
 * What a workload's controller would create of it on a cluster: its pod, and the claims of a StatefulSet. Policies
 * such as Pod Security only warn about a workload; they decide about these.
 */
export function childrenOf(manifest: Manifest): Manifest[] {
  const { template, jobTemplate, volumeClaimTemplates = [] } = (manifest['spec'] ?? {}) as WorkloadSpec;
  const pod = template ?? jobTemplate?.spec.template;
  if (!pod) return [];
  const name = `${manifest.metadata.name}-0`;
  const claimName = (claim: string) => `${claim}-${name}`;
  const claims = volumeClaimTemplates.map(({ metadata }) => ({
    name: metadata.name,
    persistentVolumeClaim: { claimName: claimName(metadata.name) },
  }));
  return [
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...pod.metadata, name },
      spec: { ...pod.spec, ...(claims.length > 0 && { volumes: [...(pod.spec.volumes ?? []), ...claims] }) },
    },
    ...volumeClaimTemplates.map(({ metadata, spec }) => ({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { ...metadata, name: claimName(metadata.name) },
      spec,
    })),
  ];
}

/** The images a workload's pods run, init containers first. */
export function imagesOf(manifest: Manifest): string[] {
  return [manifest, ...childrenOf(manifest)]
    .filter(({ kind }) => kind === 'Pod')
    .flatMap(({ spec }) => {
      const { initContainers = [], containers } = spec as Record<string, { image: string }[]>;
      return [...initContainers, ...containers!].map(({ image }) => image);
    });
}

/** The object as Helm installs it: with the marks by which Helm knows that it belongs to a release. */
export function ownedBy(release: string, namespace: string, { metadata, ...rest }: Manifest): Manifest {
  const { labels, annotations, ...others } = metadata as Manifest['metadata'] & {
    labels?: object;
    annotations?: object;
  };
  return {
    ...rest,
    metadata: {
      ...others,
      labels: { ...labels, 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: {
        ...annotations,
        'meta.helm.sh/release-name': release,
        'meta.helm.sh/release-namespace': namespace,
      },
    },
  };
}

/** Whether two readings say the same: who wrote it, when, and what came of it since do not matter. */
export function sameState(one: Manifest, other: Manifest): boolean {
  const [a, b] = [one, other].map(({ status: _, metadata: { managedFields, resourceVersion, ...metadata }, ...rest }) =>
    sorted({ ...rest, metadata }),
  );
  return a === b;
}

const sorted = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    part && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );

/** `Deployment order`, for people. */
export const titleOf = ({ kind, metadata }: Manifest): string => `${kind} ${metadata.name}`;
