import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@pavane/tools';
import type { Manifest } from './helm.js';

interface Fault {
  instancePath: string;
  message?: string;
  keyword: string;
  params: unknown;
}
type Validate = ((data: unknown) => boolean) & { errors?: Fault[] | null };

/** Everything that is wrong with a manifest by the schemas of Kubernetes and the Prometheus Operator; fields they do not know are wrong. */
export async function faultsOf(manifest: Manifest): Promise<string[]> {
  const validate = await schemaOf(manifest);
  if (!validate) return [`no schema of ${manifest.apiVersion} ${manifest.kind}`];
  const seen = new Map<object, Set<string>>();
  const valid = validate(watched(manifest, seen));
  const faults = valid ? [] : (validate.errors ?? []);
  return [
    ...faults.map(
      ({ instancePath, message, keyword, params }) =>
        `${instancePath}: ${message ?? keyword} ${JSON.stringify(params)}`,
    ),
    ...unknownFields(manifest, seen, ''),
  ];
}

async function schemaOf({ apiVersion, kind }: Manifest): Promise<Validate | undefined> {
  const [group, version] = apiVersion.includes('/')
    ? (apiVersion.split('/') as [string, string])
    : ['core', apiVersion];
  const title = (word: string) => word[0]!.toUpperCase() + word.slice(1);
  // The package keeps schemas of versions that Kubernetes has dropped; all that we use is stable.
  if (!/^v\d+$/.test(version)) return undefined;
  // By file: the Prometheus Operator's package does not export its schemas, only models that copy what they check.
  const file =
    group === 'monitoring.coreos.com'
      ? `@kubernetes-models/prometheus-operator/_schemas/ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoring${title(version)}${kind}.js`
      : `kubernetes-models/_schemas/IoK8sApi${title(group.split('.')[0]!)}${title(version)}${kind}.js`;
  const path = join(ROOT, 'node_modules', file);
  return existsSync(path) ? ((await import(path)) as { validate: Validate }).validate : undefined;
}

/**
 * The validators check what they know and pass over what they do not. So they are given a view of the manifest that
 * notes which fields they look at: one that none of them looked at is unknown.
 */
function watched<T extends object>(object: T, seen: Map<object, Set<string>>): T {
  const fields = new Set<string>();
  seen.set(object, fields);
  const views = new Map<string, unknown>();
  return new Proxy(object, {
    get(target, field) {
      const value: unknown = Reflect.get(target, field);
      if (typeof field !== 'string') return value;
      fields.add(field);
      if (typeof value !== 'object' || value === null) return value;
      if (!views.has(field)) views.set(field, watched(value, seen));
      return views.get(field);
    },
  });
}

function unknownFields(value: unknown, seen: Map<object, Set<string>>, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([field, inner]) =>
    seen.get(value)?.has(field) ? unknownFields(inner, seen, `${path}/${field}`) : [`${path}/${field}: unknown field`],
  );
}
