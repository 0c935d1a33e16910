import type { Manifest } from './helm.js';
import { type Pod, podsIn } from './pod-security.js';

// oxlint-disable-next-line typescript/no-explicit-any
type Any = any;

/** Where a connection may come from or go to: one of our pods by its component, or something outside by its selector. */
interface End {
  name: string;
  pod?: Pod;
  peer?: Any;
}

/** Every connection the network policies of a rendering allow, as `from -> to:port`; a pod without a policy may all. */
export function allowedEdges(manifests: readonly Manifest[]): string[] {
  const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy').map(({ spec }) => spec);
  const pods: End[] = podsIn(manifests).map((pod) => ({ name: pod.labels['app.kubernetes.io/name']!, pod }));
  const outside: End[] = outsidePeers(policies).map((peer) => ({ name: nameOf(peer), peer }));
  const edges = new Set<string>();
  for (const from of [...pods, ...outside])
    for (const to of [...pods, ...outside]) {
      if (!from.pod && !to.pod) continue;
      for (const port of portsBetween(policies, from, to)) edges.add(`${from.name} -> ${to.name}:${port}`);
    }
  return [...edges].toSorted();
}

function portsBetween(policies: readonly Any[], from: End, to: End): string[] {
  const out = from.pod ? portsOf(policies, from.pod, 'Egress', to) : ['*'];
  const into = to.pod ? portsOf(policies, to.pod, 'Ingress', from) : ['*'];
  const numbers = (ports: string[]) => ports.map((port) => (to.pod ? numberOf(to.pod, port) : port));
  if (out.includes('*')) return numbers(into);
  if (into.includes('*')) return numbers(out);
  return numbers(out).filter((port) => numbers(into).includes(port));
}

/** The ports that the policies of `pod` allow with `other`; `*` when no policy selects it. */
function portsOf(policies: readonly Any[], pod: Pod, way: 'Ingress' | 'Egress', other: End): string[] {
  const mine = policies.filter((p) => p.policyTypes.includes(way) && selects(p.podSelector, pod.labels));
  if (mine.length === 0) return ['*'];
  const rules: Any[] = mine.flatMap((policy) => policy[way.toLowerCase()] ?? []);
  return rules
    .filter((rule) => (rule[way === 'Ingress' ? 'from' : 'to'] as Any[]).some((peer) => isPeer(peer, other)))
    .flatMap((rule) => rule.ports.map(({ port }: { port: string | number }) => `${port}`));
}

const isPeer = (peer: Any, { pod, peer: outside }: End): boolean =>
  pod
    ? !peer.namespaceSelector && !peer.ipBlock && selects(peer.podSelector, pod.labels)
    : JSON.stringify(peer) === JSON.stringify(outside);

function selects(selector: Any, labels: Record<string, string>): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    (matchExpressions as Any[]).every(({ key, values }) => values.includes(labels[key]))
  );
}

function outsidePeers(policies: readonly Any[]): Any[] {
  const peers = policies.flatMap(({ ingress = [], egress = [] }) => [
    ...(ingress as Any[]).flatMap(({ from }) => from),
    ...(egress as Any[]).flatMap(({ to }) => to),
  ]);
  const all = new Map(peers.filter((p) => p.namespaceSelector || p.ipBlock).map((p) => [JSON.stringify(p), p]));
  return [...all.values()];
}

const nameOf = ({ ipBlock, namespaceSelector }: Any): string =>
  ipBlock?.cidr ?? `namespace ${Object.values(namespaceSelector.matchLabels).join()}`;

/** A named port is what the pod's container calls so. */
function numberOf({ spec }: Pod, port: string): string {
  const ports = (spec.containers as Any[]).flatMap((container) => container.ports ?? []);
  return `${ports.find(({ name }) => name === port)?.containerPort ?? port}`;
}
