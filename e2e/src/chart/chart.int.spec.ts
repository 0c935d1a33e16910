import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SERVICES, services } from '@pavane/contracts';
import { describeChart, helm, CHART, type Manifest, manifestsIn, template } from './helm.js';
import { faultsOf } from './kubernetes.js';
import { allowedEdges } from './network.js';
import { notRestricted, podsIn } from './pod-security.js';
import { VALUE_SETS } from './value-sets.js';

jest.setTimeout(120_000);

const to = (target: string, ...from: string[]): string[] => from.map((name) => `${name} -> ${target}`);

describeChart('the chart, rendered', () => {
  const rendered = new Map<string, Manifest[]>();
  const of = (set: string): Manifest[] => rendered.get(set)!;
  const find = (set: string, kind: string, name: string): Manifest =>
    of(set).find(({ kind: k, metadata }) => k === kind && metadata.name === name)!;

  beforeAll(async () => {
    await Promise.all(
      Object.entries(VALUE_SETS).map(async ([name, args]) => rendered.set(name, manifestsIn(await template(args)))),
    );
  });
  afterAll(() => rendered.clear());

  it.each(Object.entries(VALUE_SETS))('passes helm lint --strict: %s', async (_, args) => {
    expect(await helm('lint', '--strict', '--quiet', CHART, ...args)).not.toMatch(/WARNING|ERROR/);
  });

  describe.each(Object.keys(VALUE_SETS))('%s', (set) => {
    it('holds only what Kubernetes knows, field by field', async () => {
      const faults = await Promise.all(
        of(set).map(async (m) => (await faultsOf(m)).map((fault) => `${m.kind} ${m.metadata.name}${fault}`)),
      );
      expect(faults.flat()).toEqual([]);
    });

    it('has each object once', () => {
      const names = of(set).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
      expect(names).toEqual([...new Set(names)]);
    });

    it('starts no pod that Pod Security "restricted" would refuse', () => {
      const pods = podsIn(of(set));
      expect(pods.length).toBeGreaterThanOrEqual(SERVICES.length + 3);
      expect(pods.flatMap(notRestricted)).toEqual([]);
    });

    it.each(SERVICES)('rolls %s without a pod too few, and gives it time to drain', (service) => {
      const { strategy, template: pod } = find(set, 'Deployment', service).spec;
      expect(strategy.rollingUpdate).toEqual({ maxUnavailable: 0, maxSurge: 1 });
      const [container] = pod.spec.containers;
      const drain = container.env.find(({ name }: { name: string }) => name === 'SHUTDOWN_DEADLINE').value;
      const sleep = container.lifecycle.preStop.sleep.seconds;
      expect(pod.spec.terminationGracePeriodSeconds).toBeGreaterThan(sleep + Number.parseInt(drain, 10));
      expect(container.livenessProbe.httpGet.path).toBe('/health/live');
      expect(container.startupProbe.httpGet.path).toBe('/health/live');
      expect(container.readinessProbe.httpGet.path).toBe('/health/ready');
      expect(pod.spec.topologySpreadConstraints).toHaveLength(2);
      expect(find(set, 'ServiceAccount', service)['automountServiceAccountToken']).toBe(false);
      expect(find(set, 'PodDisruptionBudget', service).spec.maxUnavailable).toBe(1);
    });
  });

  it('lets nothing through but the edges of the saga: everything bundled', () => {
    expect(allowedEdges(of('dev'))).toEqual(
      [
        ...to('nats:4222', ...SERVICES, 'provision'),
        'nats -> nats:6222',
        ...to('postgres:5432', ...SERVICES, 'migrate'),
        'payment -> provider:4010',
        'notification -> mail:2525',
        'order-test -> order:3000',
        'namespace ingress-nginx -> order:3000',
        ...to(
          'namespace kube-system:53',
          ...SERVICES,
          'nats',
          'postgres',
          'provider',
          'mail',
          'provision',
          'migrate',
          'order-test',
        ),
      ].toSorted(),
    );
  });

  it('lets a service reach what its values name, and nothing else does', () => {
    const own = allowedEdges(of('prod with a service that calls somebody outside'));
    expect(own.filter((edge) => !allowedEdges(of('prod')).includes(edge))).toEqual(['inventory -> 203.0.113.0/24:443']);
  });

  it('lets nothing through but the edges of the saga: production', () => {
    expect(allowedEdges(of('prod'))).toEqual(
      [
        ...to('namespace nats:4222', ...SERVICES, 'provision'),
        ...to('10.20.0.0/24:5432', ...SERVICES, 'migrate'),
        'payment -> 0.0.0.0/0:443',
        'payment -> ::/0:443',
        'notification -> 0.0.0.0/0:587',
        'notification -> ::/0:587',
        ...to('namespace monitoring:4318', ...SERVICES),
        'order-test -> order:3000',
        'namespace ingress-nginx -> order:3000',
        'namespace ingress-nginx -> payment:3001',
        ...SERVICES.map((service) => `namespace monitoring -> ${service}:${services[service].port}`),
        ...to('namespace kube-system:53', ...SERVICES, 'provision', 'migrate', 'order-test'),
      ].toSorted(),
    );
  });

  /** Paths that the Ingress hands on; those of payment are for customers at their bank and for the provider's notices. */
  const FOR_CUSTOMERS = [
    ['/orders', 'Prefix', 'order'],
    ['/payments', 'Prefix', 'payment'],
    ['/webhooks/payments', 'Exact', 'payment'],
  ].map(([path, pathType, name]) => ({ path, pathType, backend: { service: { name, port: { name: 'http' } } } }));

  it.each(Object.keys(VALUE_SETS))('lets customers reach orders, and nothing that is for operators: %s', (set) => {
    const ingresses = of(set).filter(({ kind }) => kind === 'Ingress');
    const paths = ingresses.flatMap(({ spec }) =>
      spec.rules.flatMap(({ http }: { http: { paths: Record<string, unknown>[] } }) => http.paths),
    );
    expect(FOR_CUSTOMERS).toEqual(expect.arrayContaining(paths));
    expect(ingresses.filter(({ spec }) => spec.defaultBackend)).toEqual([]);
    // Whatever is not by Ingress is by a Service of another type than ClusterIP, the default.
    const addressed = of(set).filter(({ kind }) => kind === 'Service');
    expect(addressed.filter(({ spec }) => spec.type ?? spec.externalIPs)).toEqual([]);
  });

  it('provisions and migrates before the services where NATS and PostgreSQL are there already, and beside them where not', () => {
    for (const name of ['provision', 'migrate'])
      expect(find('prod', 'Job', name).metadata.annotations).toMatchObject({
        'helm.sh/hook': 'pre-install,pre-upgrade',
      });
    for (const [name, host] of [
      ['provision', 'nats'],
      ['migrate', 'postgres'],
    ] as const) {
      const job = find('dev', 'Job', `${name}-1`);
      expect(job.metadata.annotations).toBeUndefined();
      expect(job.spec.template.spec.initContainers[0].name).toBe(`wait-for-${host}`);
    }
    expect(find('dev with NATS elsewhere', 'Job', 'provision').metadata.annotations).toBeDefined();
    expect(find('dev with NATS elsewhere', 'Job', 'migrate-1').metadata.annotations).toBeUndefined();
  });

  it('shares out among the streams what NATS has for them', () => {
    const command = (set: string, job: string) => find(set, 'Job', job).spec.template.spec.containers[0].command;
    expect(command('dev', 'provision-1').slice(-2)).toEqual(['--store', '768Mi']);
    expect(command('prod', 'provision').slice(-2)).toEqual(['--store', '7Gi']);
  });

  it('puts demo data into databases of a trial, and into no other unless it is asked to', () => {
    const command = (set: string, job: string) => find(set, 'Job', job).spec.template.spec.containers[0].command;
    expect(command('dev', 'migrate-1')).toContain('--seed');
    expect(command('prod', 'migrate')).not.toContain('--seed');
    expect(command('the least: everything external, nothing else', 'migrate')).not.toContain('--seed');
  });

  it('holds no Secret: all are by reference', () => {
    for (const set of Object.keys(VALUE_SETS)) expect(of(set).filter(({ kind }) => kind === 'Secret')).toEqual([]);
  });

  it('rolls what reads a file or a key when that changes', () => {
    const annotations = (set: string, kind: string, name: string) =>
      find(set, kind, name).spec.template.metadata.annotations;
    expect(annotations('dev', 'StatefulSet', 'nats')).not.toEqual(
      annotations('dev with TLS to NATS', 'StatefulSet', 'nats'),
    );
    expect(annotations('dev', 'Deployment', 'order')).not.toEqual(annotations('dev', 'Deployment', 'payment'));
  });

  it('scales by CPU from its replicas up where that is asked for, and then says no number of its own', () => {
    expect(find('prod', 'Deployment', 'order').spec.replicas).toBeUndefined();
    expect(find('prod', 'HorizontalPodAutoscaler', 'order').spec).toMatchObject({ minReplicas: 3, maxReplicas: 10 });
    expect(find('dev', 'Deployment', 'order').spec.replicas).toBe(1);
  });

  it('lets webhooks and their customers in where there is a secret to verify them with', () => {
    const paths = (set: string) =>
      find(set, 'Ingress', 'order').spec.rules[0].http.paths.map(({ path }: { path: string }) => path);
    expect(paths('prod')).toEqual(['/orders', '/payments', '/webhooks/payments']);
    const without = 'a provider without webhooks, and an Ingress';
    expect(paths(without)).toEqual(['/orders']);
    expect(allowedEdges(of(without))).not.toContain('namespace ingress-nginx -> payment:3001');
  });

  it('tests itself by placing an order', () => {
    const pod = find('prod', 'Pod', 'order-test');
    expect(pod.metadata.annotations?.['helm.sh/hook']).toBe('test');
    expect(pod.spec.containers[0].command).toContain('http://order:3000');
  });
});
