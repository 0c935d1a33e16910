import type { Manifest } from './helm.js';

// oxlint-disable-next-line typescript/no-explicit-any
type Any = any;

export interface Pod {
  /** Kind and name of what it comes from. */
  of: string;
  labels: Record<string, string>;
  spec: Any;
}

/** Every pod that a rendering starts. */
export const podsIn = (manifests: readonly Manifest[]): Pod[] =>
  manifests.flatMap(({ kind, metadata, spec }) => {
    const of = `${kind} ${metadata.name}`;
    if (kind === 'Pod') return [{ of, labels: metadata.labels ?? {}, spec }];
    return spec?.template?.spec ? [{ of, labels: spec.template.metadata.labels, spec: spec.template.spec }] : [];
  });

const VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
];

/**
 * What keeps a pod from being admitted where Pod Security is `restricted`, and what we ask beyond it: a root file system
 * that is read-only, no token, bounded memory. https://kubernetes.io/docs/concepts/security/pod-security-standards
 */
export function notRestricted({ of, spec }: Pod): string[] {
  const faults: string[] = [];
  const must = (right: unknown, what: string) => right || faults.push(`${of}: ${what}`);
  const pod: Any = spec.securityContext ?? {};
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC']) must(!spec[field], `${field} is set`);
  must(spec.automountServiceAccountToken === false, 'mounts a token');
  must(spec.enableServiceLinks === false, 'gets variables of Services');
  for (const volume of spec.volumes ?? [])
    must(
      Object.keys(volume).every((key) => key === 'name' || VOLUMES.includes(key)),
      `volume ${volume.name} is of a kind not allowed`,
    );
  for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
    const own: Any = container.securityContext ?? {};
    const name: string = container.name;
    must(own.allowPrivilegeEscalation === false, `${name} may escalate`);
    must(!own.privileged, `${name} is privileged`);
    must(own.capabilities?.drop?.includes('ALL') && !own.capabilities.add, `${name} keeps capabilities`);
    must(own.runAsNonRoot ?? pod.runAsNonRoot, `${name} may run as root`);
    must((own.runAsUser ?? pod.runAsUser) > 0, `${name} runs as root`);
    must((own.seccompProfile ?? pod.seccompProfile)?.type === 'RuntimeDefault', `${name} has no seccomp profile`);
    must(own.readOnlyRootFilesystem, `${name} may write to its root file system`);
    must(container.resources?.limits?.memory && container.resources.requests?.cpu, `${name} has no bounds`);
    for (const port of container.ports ?? []) must(!port.hostPort, `${name} takes a port of the node`);
    for (const { name: variable, value } of container.env ?? [])
      must(
        !/PASSWORD|SECRET|TOKEN|SEED/.test(variable) || value === undefined || value.includes('$('),
        `${name} has ${variable} in plain text`,
      );
  }
  return faults;
}
