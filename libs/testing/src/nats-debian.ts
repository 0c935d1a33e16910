import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { copyFile, chmod } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { run } from './run.js';

/** Suites that carry a nats-server that is new enough, the more settled one first. */
export const DEBIAN_SUITES = ['forky', 'sid'] as const;

const KEYRINGS = ['/usr/share/keyrings/debian-archive-keyring.gpg', '/usr/share/keyrings/debian-archive-keyring.pgp'];

/**
 * Unpacks the suite's nats-server package into `dir` without installing anything: apt works on state of its own and
 * checks the archive's signature; only its mirror, proxy and credentials are those of this machine.
 */
export async function fromDebian(
  dir: string,
  suite: string,
  env: NodeJS.ProcessEnv,
  onProgress: (line: string) => void,
): Promise<void> {
  if (process.platform !== 'linux') throw new Error('this is not a Linux machine');
  for (const tool of ['apt-get', 'dpkg']) if (!isInstalled(tool, env)) throw new Error(`${tool} is not installed`);
  const keyring = KEYRINGS.find((file) => existsSync(file));
  if (keyring === undefined) throw new Error(`the Debian archive's keyring (${KEYRINGS[0]}) is not installed`);
  const mirror = debianMirror();
  if (mirror === undefined) throw new Error("this machine's apt configuration names no Debian mirror");

  const apt = join(dir, 'apt');
  for (const needed of ['lists/partial', 'cache/archives/partial', 'empty', 'x'])
    mkdirSync(join(apt, needed), { recursive: true });
  writeFileSync(join(apt, 'status'), '');
  writeFileSync(join(apt, 'sources.list'), `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`);
  const options = [
    `Dir::Etc::sourcelist=${apt}/sources.list`,
    `Dir::Etc::sourceparts=${apt}/empty`,
    'Dir::Etc::preferences=/dev/null',
    `Dir::Etc::preferencesparts=${apt}/empty`,
    `Dir::State=${apt}`,
    `Dir::State::lists=${apt}/lists`,
    `Dir::State::status=${apt}/status`,
    `Dir::Cache=${apt}/cache`,
    'Acquire::Languages=none',
    'Acquire::Retries=2',
    // A mirror that is a snapshot has a Release file past its date; its signature is checked all the same.
    'Acquire::Check-Valid-Until=false',
    // The sandbox user could not read these private directories.
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);

  onProgress(`Reading the package list of Debian ${suite}`);
  await run('apt-get', ['-qq', ...options, 'update']);
  onProgress(`Downloading nats-server from Debian ${suite}`);
  await run('apt-get', ['-qq', ...options, 'download', 'nats-server'], { cwd: apt });
  const deb = readdirSync(apt).find((name) => name.startsWith('nats-server_') && name.endsWith('.deb'));
  if (deb === undefined) throw new Error(`${suite} has no package nats-server for this architecture`);
  await run('dpkg', ['-x', join(apt, deb), join(apt, 'x')]);
  const unpacked = ['usr/sbin', 'usr/bin'].map((bin) => join(apt, 'x', bin, 'nats-server')).find((f) => existsSync(f));
  if (unpacked === undefined) throw new Error(`${deb} holds no nats-server`);
  await copyFile(unpacked, join(dir, 'nats-server'));
  await chmod(join(dir, 'nats-server'), 0o755);
  rmSync(apt, { recursive: true });
}

function debianMirror(): string | undefined {
  const listed = [...sourceFiles()].flatMap((file) => mirrorsIn(readFileSync(file, 'utf8')));
  // Third-party repositories stand beside the mirror; the archive's path ends in "debian" on every mirror.
  return listed.find((uri) => /\/debian\/?$/.test(uri));
}

function* sourceFiles(): Iterable<string> {
  const parts = '/etc/apt/sources.list.d';
  if (existsSync(parts))
    for (const name of readdirSync(parts).toSorted()) if (/\.(sources|list)$/.test(name)) yield join(parts, name);
  if (existsSync('/etc/apt/sources.list')) yield '/etc/apt/sources.list';
}

/** The URIs in a sources file of either form, deb822 (`URIs: …`) or one line per source (`deb [options] uri …`). */
export function mirrorsIn(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const deb822 = /^URIs:\s*(.+)$/i.exec(line)?.[1];
    if (deb822) return deb822.trim().split(/\s+/);
    return /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/.exec(line)?.[1] ?? [];
  });
}

function isInstalled(tool: string, env: NodeJS.ProcessEnv): boolean {
  return (env['PATH'] ?? '').split(delimiter).some((dir) => dir !== '' && existsSync(join(dir, tool)));
}
