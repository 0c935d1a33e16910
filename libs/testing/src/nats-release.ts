import { createHash } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { chmod, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from './run.js';

/**
 * SHA-256 of the release archives, per version and file name, as published in the release's SHA256SUMS file.
 * An archive that is not listed is not downloaded: what came over the network is trusted by its checksum only.
 */
const CHECKSUMS: Readonly<Record<string, string>> = {};

const RELEASES = 'https://github.com/nats-io/nats-server/releases/download';

/** Unpacks the official build of this platform into `dir`. */
export async function fromRelease(
  dir: string,
  version: string,
  onProgress: (line: string) => void,
  { checksums = CHECKSUMS, releases = RELEASES } = {},
): Promise<void> {
  const windows = process.platform === 'win32';
  const platform = `${windows ? 'windows' : process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const name = `nats-server-v${version}-${platform}`;
  const archive = `${name}.${windows ? 'zip' : 'tar.gz'}`;
  const expected = checksums[archive];
  if (expected === undefined)
    throw new Error(`no checksum of ${archive} is pinned in the source, so it is not trusted`);

  onProgress(`Downloading ${archive}`);
  const response = await fetch(`${releases}/v${version}/${archive}`, { signal: AbortSignal.timeout(120_000) });
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  const bytes = Buffer.from(await response.arrayBuffer());
  const actual = createHash('sha256').update(bytes).digest('hex');
  if (actual !== expected) throw new Error(`${archive} has checksum ${actual}, not the pinned ${expected}`);

  const file = join(dir, archive);
  writeFileSync(file, bytes);
  await run('tar', ['-xf', file, '-C', dir]); // bsdtar on Windows reads zip files as well
  const executable = windows ? 'nats-server.exe' : 'nats-server';
  if (!existsSync(join(dir, name, executable))) throw new Error(`${archive} holds no ${name}/${executable}`);
  await rename(join(dir, name, executable), join(dir, executable));
  await chmod(join(dir, executable), 0o755);
  await rm(join(dir, name), { recursive: true });
  await rm(file);
}
