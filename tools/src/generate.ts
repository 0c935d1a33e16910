import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { main } from './cli/command.js';
import { diagram } from './generate/diagram.js';
import { readingGuide } from './generate/reading.js';
import { schemas } from './generate/schemas.js';
import { topologyPage } from './generate/topology-page.js';
import { ROOT, SERVICES } from './local/settings.js';

await main({
  usage: 'npm run generate -- [--check]',
  about:
    'Writes everything that is derived from the saga table: the diagram, the topology page, the JSON Schemas; and copies the DDL of inbox and outbox into the migrations.',
  options: { check: { type: 'boolean' } },
  help: { '--check': 'write nothing; fail if anything that is committed is not what would be written' },
  async run({ check }) {
    const stale: string[] = [];
    for (const [file, content] of derived()) {
      const path = join(ROOT, file);
      if (read(path) === content) continue;
      if (check) stale.push(file);
      else {
        writeFileSync(path, content);
        console.log(`  wrote ${relative(ROOT, path)}`);
      }
    }
    if (stale.length > 0)
      throw new Error(`not up to date: ${stale.join(', ')}; run npm run generate and commit what it writes`);
    return 0;
  },
});

/** Every derived file with the content it must have. */
function derived(): Map<string, string> {
  const files = new Map<string, string>();
  for (const [name, schema] of schemas()) {
    const file = `libs/contracts/schemas/${name}.json`;
    const published = read(join(ROOT, file));
    if (published && JSON.stringify(JSON.parse(published)) !== JSON.stringify(schema)) {
      throw new Error(
        `${file} is published and libs/contracts says otherwise now; a change of what an event carries needs a new version of it`,
      );
    }
    files.set(file, published ?? `${JSON.stringify(schema, null, 2)}\n`);
  }
  const ddl = readFileSync(join(ROOT, 'libs/outbox/sql/messaging.sql'), 'utf8');
  for (const service of SERVICES)
    files.set(`apps/${service}/prisma/migrations/20261121000000_messaging/migration.sql`, ddl);
  files.set('docs/topology.md', topologyPage());
  files.set('docs/reading.md', readingGuide());
  files.set(
    'docs/flow.md',
    `# How an order flows\n\nGenerated from \`libs/contracts/src/saga.ts\` by \`npm run generate\`.\n\n${diagram()}\n`,
  );
  const readme = read(join(ROOT, 'README.md'));
  if (readme)
    files.set(
      'README.md',
      readme.replace(
        /(<!-- saga -->\n)[\s\S]*?(\n<!-- \/saga -->)/,
        (_, open: string, close: string) => `${open}${diagram()}${close}`,
      ),
    );
  return files;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
