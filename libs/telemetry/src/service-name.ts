import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * The name this process goes by in traces, metrics and logs: `OTEL_SERVICE_NAME`, else the package name nearest to the
 * entry file without its scope (`@pavane/order` is `order`), else the entry's file name.
 */
export function serviceName(env: NodeJS.ProcessEnv = process.env, entry: string = process.argv[1] ?? 'node'): string {
  return env['OTEL_SERVICE_NAME'] || packageName(dirname(entry)) || basename(entry);
}

function packageName(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const name = nameIn(join(at, 'package.json'));
    if (name || at === dirname(at)) return name?.replace(/^@[^/]+\//, '');
  }
}

function nameIn(file: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name;
  } catch {
    return undefined;
  }
}
