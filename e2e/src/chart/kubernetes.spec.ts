import type { Manifest } from './helm.js';
import { faultsOf } from './kubernetes.js';

const deployment = (container: object): Manifest => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'order', labels: { 'app.kubernetes.io/name': 'order' } },
  spec: {
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'order', image: 'x', ...container }] } },
  },
});

describe('the check of manifests against the schemas of Kubernetes', () => {
  it('takes what is right', async () => {
    expect(await faultsOf(deployment({ lifecycle: { preStop: { sleep: { seconds: 5 } } } }))).toEqual([]);
  });

  it.each([
    ['a misspelled field', { imagePulPolicy: 'Always' }, 'containers/0/imagePulPolicy: unknown field'],
    [
      'a misspelled field deep inside',
      { livenessProbe: { httpGet: { port: 1, pth: '/' } } },
      'livenessProbe/httpGet/pth: unknown field',
    ],
    ['a value of another type', { ports: [{ containerPort: '3000' }] }, 'containers/0/ports/0/containerPort'],
    ['a field that is missing', { ports: [{ name: 'http' }] }, 'containerPort'],
    ['an environment value that is no string', { env: [{ name: 'PORT', value: 3000 }] }, 'env/0/value'],
  ])('refuses %s, and says where', async (_, container, where) => {
    const faults = await faultsOf(deployment(container));
    expect(faults.join('\n')).toContain(where);
  });

  it('refuses a kind it does not know', async () => {
    expect(await faultsOf({ ...deployment({}), apiVersion: 'extensions/v1beta1' })).toEqual([
      'no schema of extensions/v1beta1 Deployment',
    ]);
  });

  it('knows the objects of the Prometheus Operator', async () => {
    const monitor: Manifest = {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'ServiceMonitor',
      metadata: { name: 'order' },
      spec: { selector: { matchLabels: { a: 'b' } }, endpoints: [{ port: 'http', intervall: '15s' }] },
    };
    expect(await faultsOf(monitor)).toEqual(['/spec/endpoints/0/intervall: unknown field']);
  });
});
