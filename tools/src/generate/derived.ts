import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brokerUsers } from '@pavane/contracts';
import { ROOT, SERVICES } from '../local/settings.js';
import { valuesTable } from './chart-values.js';
import { diagram } from './diagram.js';
import { readingGuide } from './reading.js';
import { asPublished, schemas } from './schemas.js';
import { topologyPage } from './topology-page.js';

/** Every derived file with the content it must have. */
export function derived(): Map<string, string> {
  const files = new Map<string, string>();
  for (const [name, schema] of schemas()) {
    const file = `libs/contracts/schemas/${name}.json`;
    files.set(file, asPublished(file, schema, read(join(ROOT, file))));
  }
  const ddl = readFileSync(join(ROOT, 'libs/outbox/sql/messaging.sql'), 'utf8');
  for (const service of SERVICES)
    files.set(`apps/${service}/prisma/migrations/20261121000000_messaging/migration.sql`, ddl);
  files.set('k8s/files/nats-permissions.json', `${JSON.stringify(brokerUsers(), undefined, 2)}\n`);
  files.set('docs/topology.md', topologyPage());
  files.set('docs/reading.md', readingGuide());
  files.set(
    'docs/flow.md',
    `# How an order flows\n\nGenerated from \`libs/contracts/src/saga.ts\` by \`npm run generate\`.\n\n${diagram()}\n`,
  );
  withGenerated(files, 'README.md', 'saga', () => diagram());
  withGenerated(files, 'k8s/README.md', 'values', () =>
    valuesTable(readFileSync(join(ROOT, 'k8s/values.yaml'), 'utf8')),
  );
  return files;
}

/** A page of which only the part between `<!-- mark -->` and `<!-- /mark -->` is derived. A clone may be without it. */
function withGenerated(files: Map<string, string>, file: string, mark: string, part: () => string): void {
  const page = read(join(ROOT, file));
  if (!page) return;
  const between = new RegExp(`(<!-- ${mark} -->\\n)[\\s\\S]*?(<!-- /${mark} -->)`);
  files.set(
    file,
    page.replace(between, (_, open: string, close: string) => `${open}${part().trimEnd()}\n${close}`),
  );
}

/** The text of a file, if there is one. */
export function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
