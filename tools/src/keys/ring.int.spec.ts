import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../local/settings.js';
import { emit } from './emit.js';
import { KeyRing, USERS } from './ring.js';

let dir: string;
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'pavane-keys-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe('a key ring', () => {
  it('has a seed for every user that only its owner can read, and no two alike', () => {
    const ring = KeyRing.open(dir);
    expect(readdirSync(dir).toSorted()).toEqual(USERS.map((user) => `${user}.nk`).toSorted());
    for (const user of USERS) expect(statSync(ring.file(user)).mode & 0o777).toBe(0o600);
    expect(new Set(USERS.flatMap((user) => ring.publicKeys(user))).size).toBe(USERS.length);
  });

  it('keeps the keys it has when it is opened again, and makes those it lacks', () => {
    const before = KeyRing.open(dir);
    const kept = before.seed('order');
    rmSync(before.file('payment'));
    const after = KeyRing.open(dir);
    expect(after.seed('order')).toBe(kept);
    expect(after.publicKeys('payment')).toHaveLength(1);
  });

  it('holds two keys of a user from a rotation to the retirement of the old one', () => {
    const ring = KeyRing.open(dir);
    const [old] = ring.publicKeys('order');
    ring.rotate('order');
    const both = ring.publicKeys('order');
    expect(both).toEqual([expect.not.stringContaining(old!), old]);
    expect(() => ring.rotate('order')).toThrow(/--retire order/);
    ring.retire('order');
    expect(ring.publicKeys('order')).toEqual([both[0]]);
    expect(() => ring.retire('order')).toThrow(/no old key/);
  });

  it('names the file that holds no seed, and does not show what it holds', () => {
    const ring = KeyRing.open(dir);
    writeFileSync(ring.file('order'), 'hunter2');
    expect(() => ring.publicKeys('order')).toThrow(new RegExp(`${ring.file('order')} does not hold an NKey seed`));
    expect(() => ring.publicKeys('order')).not.toThrow(/hunter2/);
  });
});

describe('what is written beside the keys', () => {
  const written = (name: string): string => readFileSync(join(dir, name), 'utf8');

  it('has every public key and no seed, for nats-server and for Helm', () => {
    const ring = KeyRing.open(dir);
    ring.rotate('order');
    expect(emit(ring)).toEqual(['nats-auth.conf', 'values-keys.yaml']);
    for (const user of USERS) {
      const keys = ring.publicKeys(user);
      expect(written('values-keys.yaml')).toContain(`    ${user}: [${keys.join(', ')}]\n`);
      for (const key of keys) expect(written('nats-auth.conf')).toContain(`{ nkey: ${key},`);
      expect(written('values-keys.yaml') + written('nats-auth.conf')).not.toContain(ring.seed(user));
    }
  });

  it('has the seeds for Kubernetes, for its owner only, and follows a rotation', () => {
    const ring = KeyRing.open(dir);
    emit(ring, { kubernetes: true });
    const password = /name: nats-cluster\ntype: Opaque\nstringData:\n {2}password: ([0-9a-f]{64})\n/.exec(
      written('secrets.yaml'),
    )![1]!;
    ring.rotate('order');
    expect(emit(ring)).toContain('secrets.yaml');
    expect(statSync(join(dir, 'secrets.yaml')).mode & 0o777).toBe(0o600);
    for (const user of USERS)
      expect(written('secrets.yaml')).toContain(
        `  name: nats-${user}\ntype: Opaque\nstringData:\n  seed: ${ring.seed(user)}\n`,
      );
    // Another one would part the servers of a cluster from each other.
    expect(written('secrets.yaml')).toContain(password);
  });
});

it('the command prints public keys only, and refuses a user that nobody knows', async () => {
  const run = promisify(execFile);
  const keys = (...args: string[]) => run(process.execPath, [join(ROOT, 'tools/dist/keys.js'), '--out', dir, ...args]);
  const { stdout } = await keys('--kubernetes', '--json');
  const ring = KeyRing.open(dir);
  expect(JSON.parse(stdout)).toEqual({
    dir,
    files: ['nats-auth.conf', 'values-keys.yaml', 'secrets.yaml'],
    publicKeys: Object.fromEntries(USERS.map((user) => [user, ring.publicKeys(user)])),
  });
  for (const user of USERS) expect(stdout).not.toContain(ring.seed(user));
  await expect(keys('--rotate', 'mallory')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/mallory/),
  });
});
