import { chmodSync, chownSync, constants, cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publish } from './cache.js';
import { type PostgresBinaries, requireOwn } from './postgres-binaries.js';
import { type Identity } from './postgres-dir.js';
import { runAs } from './run.js';

const LOCALE = ['-U', 'postgres', '-E', 'UTF8', '--locale=C'];

/**
 * Makes an empty data directory one that a server can start on: by initdb when it is to have a password, else as a copy
 * of one that is kept for the purpose, which is several times faster. `synced` data survives a power failure from the start.
 */
export async function initialise(
  binaries: PostgresBinaries,
  data: string,
  { password, synced }: { password: string | undefined; synced: boolean },
): Promise<void> {
  if (password !== undefined) return withPassword(binaries, data, password, synced);
  const { template, identity, initdb } = binaries;
  if (!existsSync(template)) await publish(template, (draft) => fill(binaries, draft));
  cpSync(requireOwn(template), data, { recursive: true, mode: constants.COPYFILE_FICLONE });
  chmodSync(data, 0o700);
  give(data, identity);
  if (synced) await runAs(identity, initdb, ['--sync-only', '-D', data], environment());
}

async function fill({ identity, initdb }: PostgresBinaries, draft: string): Promise<void> {
  give(draft, identity);
  await runAs(identity, initdb, ['-D', draft, ...LOCALE, '-A', 'trust', '--no-sync'], environment());
  // Back, or whoever else runs as that account could change what is copied.
  if (identity) give(draft, { uid: process.getuid!(), gid: process.getgid!() });
}

async function withPassword({ identity, initdb }: PostgresBinaries, data: string, password: string, synced: boolean) {
  const file = `${data}.password`;
  const args = ['-D', data, ...LOCALE, '-A', 'scram-sha-256', '--pwfile', file, ...(synced ? [] : ['--no-sync'])];
  writeFileSync(file, password, { mode: 0o600 });
  if (identity) chownSync(file, identity.uid, identity.gid);
  try {
    await runAs(identity, initdb, args, environment());
  } finally {
    rmSync(file, { force: true });
  }
}

function give(dir: string, identity: Identity | undefined): void {
  if (!identity) return;
  const { uid, gid } = identity;
  for (const entry of ['.', ...readdirSync(dir, { recursive: true, encoding: 'utf8' })])
    chownSync(join(dir, entry), uid, gid);
}

/** Without the PG* variables of the user's shell, which mean other servers. */
export function environment(): NodeJS.ProcessEnv {
  const { PATH, SystemRoot } = process.env;
  return { PATH, LC_ALL: 'C', ...(SystemRoot !== undefined && { SystemRoot }) };
}
