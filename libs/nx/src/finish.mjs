import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

// npm and npx are scripts of the shell on Windows.
const shell = process.platform === 'win32';

/** Brings up to date what follows from the table: lock file, format, generated files. */
export function finish(root) {
  const run = (command, ...args) =>
    execFileSync(command, args, { cwd: root, shell, stdio: ['ignore', 'inherit', 'inherit'] });
  run('npm', 'install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error');
  const folders = ['libs/contracts/src', 'apps', 'e2e/src'].filter((folder) => existsSync(join(root, folder)));
  run('npx', 'oxfmt', ...folders);
  run('npm', 'run', '--silent', 'generate');
  if (existsSync(join(root, 'k8s/golden')))
    console.log('\nThe chart may make other manifests now: npm run k8s:golden (needs helm) writes k8s/golden anew.');
}
