import { createHash } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

export interface Identity {
  uid: number;
  gid: number;
}

/** A new directory for a disposable server that its account owns and can reach. */
export function temporaryDir(identity: Identity | undefined): string {
  const parent = identity && !isReachable(tmpdir()) ? '/var/tmp' : tmpdir();
  const dir = mkdtempSync(join(parent, 'pavane-postgres-'));
  if (identity) chownSync(dir, identity.uid, identity.gid);
  return dir;
}

/**
 * The directory in which the server's account can keep its data: the one asked for, or, when that account cannot
 * reach it (a clone below root's home, which is closed), a directory in /var/tmp to which a note in the one asked for
 * points. Removing the one asked for gives up that data too: without the note, the next call starts afresh.
 */
export function persistentDir(asked: string, identity: Identity | undefined): string {
  const dir = resolve(asked);
  mkdirSync(dir, { recursive: true });
  if (!identity) return dir;
  if (isReachable(dir)) {
    chownSync(dir, identity.uid, identity.gid);
    return dir;
  }
  const elsewhere = join('/var/tmp', `pavane-postgres-${createHash('sha256').update(dir).digest('hex').slice(0, 12)}`);
  const note = join(dir, 'data-is-in');
  if (!existsSync(note)) rmSync(elsewhere, { recursive: true, force: true });
  mkdirSync(elsewhere, { recursive: true, mode: 0o700 });
  const { uid } = statSync(elsewhere);
  if (uid !== 0 && uid !== identity.uid) throw new Error(`${elsewhere} belongs to another user. Remove it.`);
  chmodSync(elsewhere, 0o700);
  chownSync(elsewhere, identity.uid, identity.gid);
  writeFileSync(note, `${elsewhere}\n`);
  return elsewhere;
}

/** True when an account without any rights of its own may enter all of the path's directories. */
function isReachable(dir: string): boolean {
  for (let at = dir; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0 && at !== dir) return false;
    if (at === dirname(at)) return true;
  }
}
