import { goMod } from './go-build.js';
import { childrenOf, documentsOf, imagesOf, type Manifest, ownedBy, sameState } from './manifests.js';

const template = {
  metadata: { labels: { app: 'order' } },
  spec: { initContainers: [{ name: 'wait', image: 'wait:1' }], containers: [{ name: 'order', image: 'order:1' }] },
};
const workload = (kind: string, spec: object): Manifest => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name: 'order' },
  spec,
});

describe('what helm rendered', () => {
  it('is read document by document, without the empty ones', () => {
    const text = '---\nkind: Service\n---\n# nothing here\n---\nkind: Deployment\n';
    expect(documentsOf(text).map(({ kind }) => kind)).toEqual(['Service', 'Deployment']);
  });

  it('is read as Kubernetes reads it', () => {
    expect(documentsOf('mode: 0440')).toEqual([{ mode: 0o440 }]);
  });

  it('is installed with the marks of its release beside its own', () => {
    const order: Manifest = { ...workload('Service', {}), metadata: { name: 'order', labels: { app: 'order' } } };
    expect(ownedBy('shop', 'prod', order).metadata).toEqual({
      name: 'order',
      labels: { app: 'order', 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'meta.helm.sh/release-name': 'shop', 'meta.helm.sh/release-namespace': 'prod' },
    });
  });

  it('is refused with the place when it is no YAML', () => {
    expect(() => documentsOf('a: [')).toThrow(/not valid YAML.*line 1/s);
  });
});

describe('what a controller would create', () => {
  it.each([
    ['Deployment', { template }],
    ['Job', { template }],
    ['CronJob', { jobTemplate: { spec: { template } } }],
  ])('of a %s is a pod of its template', (kind, spec) => {
    expect(childrenOf(workload(kind, spec))).toEqual([
      { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'order-0', labels: { app: 'order' } }, spec: template.spec },
    ]);
  });

  it('of a StatefulSet is a pod with its claims mounted, and the claims', () => {
    const claim = { metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'] } };
    const [pod, ...claims] = childrenOf(workload('StatefulSet', { template, volumeClaimTemplates: [claim] }));
    expect(pod!['spec']).toMatchObject({
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data-order-0' } }],
    });
    expect(claims).toMatchObject([{ kind: 'PersistentVolumeClaim', metadata: { name: 'data-order-0' } }]);
  });

  it('of anything else is nothing', () => {
    expect(childrenOf(workload('ConfigMap', {}))).toEqual([]);
    expect(childrenOf({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'key' } })).toEqual([]);
  });
});

it('the images of a workload are those of its containers and init containers', () => {
  expect(imagesOf(workload('Deployment', { template }))).toEqual(['wait:1', 'order:1']);
  expect(imagesOf(workload('Service', {}))).toEqual([]);
});

describe('two readings of an object', () => {
  const object = workload('Deployment', { replicas: 2, paused: false });
  const written = {
    ...object,
    metadata: { ...object.metadata, resourceVersion: '7', managedFields: [{}] },
    status: { replicas: 2 },
  };

  it('say the same whoever wrote it, whatever came of it, and in whatever order', () => {
    expect(sameState(object, { ...written, spec: { paused: false, replicas: 2 } })).toBe(true);
  });

  it('differ when a field does', () => {
    expect(sameState(object, { ...written, spec: { replicas: 3, paused: false } })).toBe(false);
  });
});

describe('the module that builds a Go program', () => {
  const program = { module: 'k8s.io/kubernetes', version: 'v1.37.2', main: 'k8s.io/kubernetes/cmd/kube-apiserver' };

  it('replaces what its own repository holds by the published parts of the same version', () => {
    const theirs = 'module k8s.io/kubernetes\n\ngo 1.26.0\n\nreplace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n)\n';
    expect(goMod(program, theirs)).toBe(
      'module k8s-check\n\ngo 1.26.0\n\nrequire k8s.io/kubernetes v1.37.2\n\nreplace (\n\tk8s.io/api => k8s.io/api v0.37.2\n)\n',
    );
  });

  it('requires the program alone where nothing of the kind is replaced', () => {
    const theirs = 'go 1.26.0\n\nreplace go.etcd.io/etcd/api/v3 => ../api\n';
    expect(goMod({ ...program, module: 'go.etcd.io/etcd/server/v3', version: 'v3.7.3' }, theirs)).toBe(
      'module k8s-check\n\ngo 1.26.0\n\nrequire go.etcd.io/etcd/server/v3 v3.7.3\n',
    );
  });
});
