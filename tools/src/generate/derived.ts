import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, parse } from 'node:path';
import { brokerUsers } from '@pavane/contracts';
import { ROOT, SERVICES } from '../local/settings.js';
import { valuesTable } from './chart-values.js';
import { chartServices, composeDatabases, composeServices, scrapeConfigs, serviceDown } from './deployments.js';
import { diagram } from './diagram.js';
import { readingGuide } from './reading.js';
import { asPublished, schemas } from './schemas.js';
import { topologyPage } from './topology-page.js';

/** Every derived file with the content it must have. */
export function derived(): Map<string, string> {
  const files = new Map<string, string>();
  for (const [name, schema] of schemas()) {
    const file = `libs/contracts/schemas/${name}.json`;
    const present = read(join(ROOT, file));
    files.set(
      file,
      asPublished(file, schema, present, () => isCommitted(file)),
    );
  }
  for (const [name, ddl] of messagingRevisions())
    for (const service of SERVICES) {
      const file = `apps/${service}/prisma/migrations/${name}/migration.sql`;
      files.set(file, asApplied(file, ddl, read(join(ROOT, file))));
    }
  files.set('k8s/files/nats-permissions.json', `${JSON.stringify(brokerUsers(), undefined, 2)}\n`);
  files.set('docs/topology.md', topologyPage());
  files.set('docs/reading.md', readingGuide());
  files.set(
    'docs/flow.md',
    `# How an order flows\n\nGenerated from \`libs/contracts/src/saga.ts\` by \`npm run generate\`.\n\n${diagram()}\n`,
  );
  withGenerated(files, 'README.md', 'saga', () => diagram());
  withGenerated(files, 'docker-compose.yml', 'databases', composeDatabases);
  withGenerated(files, 'docker-compose.yml', 'services', composeServices);
  withGenerated(files, 'docker/observability/prometheus.yml', 'services', scrapeConfigs);
  withGenerated(files, 'k8s/files/rules.yaml', 'services', serviceDown);
  withGenerated(files, 'k8s/values.yaml', 'services', chartServices);
  withGenerated(files, 'k8s/README.md', 'values', () => valuesTable(files.get('k8s/values.yaml')!));
  return files;
}

/** The DDL of each revision of inbox and outbox, by the name of its migration. */
function messagingRevisions(): [string, string][] {
  const dir = join(ROOT, 'libs/outbox/sql');
  return readdirSync(dir).map((file) => [parse(file).name, readFileSync(join(dir, file), 'utf8')]);
}

/** The text of a migration. One that is there may have been applied: throws when it would have to change. */
export function asApplied(file: string, ddl: string, present: string | undefined): string {
  if (present === undefined || present === ddl) return ddl;
  throw new Error(
    `${file} is not what libs/outbox/sql says, and a migration stays as it was applied; put it back, and make the change in a new one`,
  );
}

/**
 * A file of which only the part between `<!-- mark -->` and `<!-- /mark -->` is derived; in YAML, between `# generated: mark`
 * and `# /generated: mark`. A clone may be without it. Throws where the file has no such part.
 */
function withGenerated(files: Map<string, string>, file: string, mark: string, part: () => string): void {
  const page = files.get(file) ?? read(join(ROOT, file));
  if (!page) return;
  const [open, close] = /\.ya?ml$/.test(file)
    ? [`# generated: ${mark}`, `# /generated: ${mark}`]
    : [`<!-- ${mark} -->`, `<!-- /${mark} -->`];
  const between = new RegExp(`(^[ ]*${open}\\n)[\\s\\S]*?(^[ ]*${close}$)`, 'm');
  if (!between.test(page))
    throw new Error(`${file} has no part between "${open}" and "${close}"; put the two lines back`);
  files.set(
    file,
    page.replace(between, (_, before: string, after: string) => `${before}${part().trimEnd()}\n${after}`),
  );
}

/** Whether the last commit has the file: what is in no commit was published to nobody. Without git, everything counts. */
function isCommitted(file: string): boolean {
  const { status, error } = spawnSync('git', ['cat-file', '-e', `HEAD:./${file}`], { cwd: ROOT, stdio: 'ignore' });
  return error !== undefined || status === 0 || spawnSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT }).status !== 0;
}

/** The text of a file, if there is one. */
export function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
