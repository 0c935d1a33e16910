import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Copy } from './copy.fixture.js';
import { ROOT } from './local/settings.js';

/** In a repository that has dropped all of them there is nothing left to try. */
const NAMES = ['bench', 'prove', 'e2e'].filter((name) => existsSync(join(ROOT, name)));
const [first] = NAMES as [string];
const describeDrop = NAMES.length > 0 ? describe : describe.skip;
const PASSED = /^[1-9]\d* passed, 0 failed$/;

let copy: Copy;
beforeAll(async () => (copy = await Copy.make()), 60_000);
afterAll(() => copy?.[Symbol.asyncDispose]());

/** Begins with everything again, and drops these. */
const dropping = (...names: string[]) =>
  beforeAll(async () => {
    await copy.must('git', 'reset', '--quiet', '--hard');
    await copy.must('node', 'tools/drop.mjs', ...names);
  });

describeDrop('what cannot be dropped', () => {
  it.each([
    [['apps'], '"apps" cannot be dropped; say bench, prove, e2e'],
    [[...NAMES, 'rpove'], '"rpove" cannot be dropped'],
    [[], 'say what to drop'],
  ])('%j is refused, and everything stays', async (names, says) => {
    const { code, output } = await copy.run('node', 'tools/drop.mjs', ...names);
    expect(code).toBe(2);
    expect(output).toContain(says);
    expect((await copy.must('git', 'status', '--porcelain')).output).toBe('');
  });

  it('is what has work in it that is not committed', async () => {
    const file = `${first}/mine.txt`;
    await writeFile(join(copy.dir, file), 'mine');
    const { code, output } = await copy.run('node', 'tools/drop.mjs', first);
    expect(code).toBe(2);
    expect(output).toContain(`what is not committed would be lost: ${file}`);
    expect(existsSync(join(copy.dir, file))).toBe(true);
    await rm(join(copy.dir, file));
  });
});

describeDrop(`without ${NAMES.join(', ')}`, () => {
  dropping(...NAMES);

  it('format, build, lint, types and generated files are in order', async () => {
    await copy.must('npm', 'run', '--silent', 'check');
  }, 180_000);

  it('the tests that are left pass, and no others are counted', async () => {
    const left = await copy.must('npm', 'test', '--silent', '--', 'rules', 'tools/src');
    expect(left.result).toMatch(PASSED);
    const dropped = await copy.run('node', 'tools/test.mjs', 'saga', 'load');
    expect(dropped.result).toBe('0 passed, 0 failed');
  }, 120_000);

  it('the commands for users are left, and those of the folders are not', async () => {
    const { scripts } = JSON.parse(await readFile(join(copy.dir, 'package.json'), 'utf8')) as { scripts: object };
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(['start', 'demo', 'verify', 'test', 'check']));
    expect(Object.keys(scripts).filter((script) => /prove|mutate|bench|golden/.test(script))).toEqual([]);
  });

  it('they cannot be dropped again', async () => {
    const { code, output } = await copy.run('node', 'tools/drop.mjs', first);
    expect(code).toBe(2);
    expect(output).toBe(`drop: ${first} is gone already; leave it out\n`);
  });
});

for (const name of NAMES)
  describe(`without ${name} alone`, () => {
    const others = NAMES.filter((other) => other !== name);
    dropping(name);

    it('the pages neither link to it nor name its commands', async () => {
      const { result } = await copy.must('node', 'tools/test.mjs', 'rules', 'tools/src/docs.spec.ts');
      expect(result).toMatch(PASSED);
    }, 60_000);

    it('all is formatted, and what is generated is up to date', async () => {
      await copy.must('oxfmt', '--check', '.');
      await copy.must('node', 'tools/dist/generate.js', '--check');
    }, 60_000);

    it('the others compile', async () => {
      for (const other of others) await copy.must('tsc', '-p', other);
    }, 60_000);

    it('the lock file has the other workspaces, and the address of no package', async () => {
      const lock = await readFile(join(copy.dir, 'package-lock.json'), 'utf8');
      const { packages } = JSON.parse(lock) as { packages: Record<string, { workspaces?: string[] }> };
      const { workspaces } = packages['']!;
      expect(workspaces).toEqual(expect.arrayContaining(others));
      expect(workspaces).not.toContain(name);
      expect(Object.keys(packages).filter((path) => path === name || path.endsWith(`/${name}`))).toEqual([]);
      expect(lock).not.toContain('"resolved": "http');
    });
  });
