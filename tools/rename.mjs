// node tools/rename.mjs @yours
//
// Gives the platform another npm scope and name: every tracked text file, then the lock file through npm.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const [scope] = process.argv.slice(2);
if (!/^@[a-z0-9][a-z0-9-]*$/.test(scope ?? '')) {
  console.error('usage: node tools/rename.mjs @scope   (lower case letters, digits and dashes)');
  process.exit(scope === '--help' ? 0 : 2);
}
const current = JSON.parse(readFileSync('libs/contracts/package.json', 'utf8')).name.split('/')[0];
const name = (of) => of.slice(1);
const title = (of) => name(of).replace(/^./, (letter) => letter.toUpperCase());
// Git also lists what was deleted and not yet committed.
const files = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' })
  .split('\0')
  .filter((file) => file && existsSync(file));
let changed = 0;
for (const file of files) {
  const before = readFileSync(file, 'utf8');
  if (before.includes('\0')) continue;
  const after = before
    .replaceAll(current, scope)
    .replaceAll(title(current), title(scope))
    .replaceAll(name(current), name(scope))
    .replaceAll(name(current).toUpperCase(), name(scope).toUpperCase().replaceAll('-', '_'));
  if (after === before) continue;
  writeFileSync(file, after);
  changed++;
}
console.log(
  `${current} is ${scope} now, in ${changed} files. Run npm install, npm run format and npm run generate, then npm run check.`,
);
