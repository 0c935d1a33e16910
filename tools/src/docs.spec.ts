import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { ROOT } from './local/settings.js';

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], { cwd: ROOT })
  .toString()
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(ROOT, file)));
const operations = read('docs/operations.md');

/** What GitHub makes of a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
const anchorsOf = (file: string): string[] =>
  [...read(file).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) => anchorOf(heading!));

/** Relative links of a page that lead nowhere. */
function brokenIn(page: string): string[] {
  const text = read(page).replaceAll(/^```[\s\S]*?^```/gm, '');
  const targets = [...text.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target]) => target!);
  return targets.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path, anchor] = target.split('#') as [string, string?];
    const file = path === '' ? page : normalize(join(dirname(page), path));
    if (!existsSync(join(ROOT, file))) return true;
    return anchor !== undefined && file.endsWith('.md') && !anchorsOf(file).includes(anchor);
  });
}

describe('the pages', () => {
  it.each(pages)('of %s link to what is there', (page) => {
    expect(brokenIn(page)).toEqual([]);
  });

  // A decision names what there was when it was taken, also where some of it was dropped since.
  const isWhole = ['bench', 'prove', 'e2e'].every((folder) => existsSync(join(ROOT, folder)));
  it.each(pages.filter((page) => isWhole || !page.startsWith('docs/decisions/')))(
    'of %s name npm commands that exist',
    (page) => {
      const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
      const named = [...read(page).matchAll(/\bnpm run ([a-z0-9:-]+)/g)].map(([, script]) => script!);
      expect(named.filter((script) => !(script in scripts))).toEqual([]);
    },
  );
});

describe('the page for operators', () => {
  const rules = read('k8s/files/rules.yaml');
  const alerts = [...rules.matchAll(/^ *- alert: (\w+)$/gm)].map(([, alert]) => alert!);
  const [, section = ''] = operations.split(/^## Alerts$/m);
  const explained = [...section.matchAll(/^### (.+)$/gm)].map(([, alert]) => alert!);

  it('says what each alert means and what to do, and of no other', () => {
    expect(alerts.length).toBeGreaterThan(5);
    expect(explained.toSorted()).toEqual(alerts.toSorted());
  });

  it('quotes what services log as they log it', () => {
    const sources = execFileSync('git', ['grep', '-h', '', '--', 'libs/*/src/*.ts', 'apps/*/src/*.ts'], {
      cwd: ROOT,
      maxBuffer: 1 << 26,
    }).toString();
    const quoted = [...operations.matchAll(/log lines? "([^"]+)"|\("([^"]+)", with the error\)/g)].map(
      ([, line, failed]) => (line ?? failed)!,
    );
    expect(quoted.length).toBeGreaterThan(3);
    expect(quoted.filter((line) => !sources.includes(line))).toEqual([]);
  });
});
