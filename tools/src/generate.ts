import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { main } from './cli/command.js';
import { derived, read } from './generate/derived.js';
import { ROOT } from './local/settings.js';

await main({
  usage: 'npm run generate -- [--check]',
  about:
    'Writes everything that is derived from the saga table: the diagram, the topology page, the permissions on the broker, the JSON Schemas; and copies the DDL of inbox and outbox into the migrations.',
  options: { check: { type: 'boolean' } },
  help: { '--check': 'write nothing; fail if anything that is committed is not what would be written' },
  async run({ check }) {
    const stale: string[] = [];
    for (const [file, content] of derived()) {
      const path = join(ROOT, file);
      if (read(path) === content) continue;
      if (check) stale.push(file);
      else {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, content);
        console.log(`  wrote ${relative(ROOT, path)}`);
      }
    }
    if (stale.length > 0)
      throw new Error(`not up to date: ${stale.join(', ')}; run npm run generate and commit what it writes`);
    return 0;
  },
});
