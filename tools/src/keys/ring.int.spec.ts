import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kubernetesSecrets, helmValues } from './emit.js';
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

it('Helm gets public keys only; Kubernetes gets the seeds, and the same password of the cluster each time', () => {
  const ring = KeyRing.open(dir);
  ring.rotate('order');
  for (const user of USERS) {
    expect(helmValues(ring)).toContain(`    ${user}: [${ring.publicKeys(user).join(', ')}]\n`);
    expect(helmValues(ring)).not.toContain(ring.seed(user));
    expect(kubernetesSecrets(ring)).toContain(
      `  name: nats-${user}\ntype: Opaque\nstringData:\n  seed: ${ring.seed(user)}\n`,
    );
  }
  const password = readFileSync(join(dir, 'nats-cluster.password'), 'utf8').trim();
  expect(password).toMatch(/^[0-9a-f]{64}$/);
  expect(kubernetesSecrets(ring)).toContain(
    `  name: nats-cluster\ntype: Opaque\nstringData:\n  password: ${password}\n`,
  );
});
