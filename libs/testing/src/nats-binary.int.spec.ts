import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { cacheDir, publish, withLock } from './cache.js';
import { natsServerBinary } from './nats-binary.js';
import { mirrorsIn } from './nats-debian.js';
import { fromRelease } from './nats-release.js';
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
      'official release: ',
      'Debian forky: ',
    ])
      expect(message).toContain(part);
    expect(message).toContain('or set NATS_SERVER_BIN to its path');
  });
});

describe('the official release', () => {
  it('is unpacked when its checksum is the pinned one, and refused otherwise', async () => {
    const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
    const name = `nats-server-v9.9.9-${platform}`;
    fake(join('release', name), '9.9.9');
    const archive = `${name}.tar.gz`;
    await run('tar', ['-czf', join(root, archive), '-C', join(root, 'release'), name]);
    const bytes = readFileSync(join(root, archive));
    const server = createServer((request, response) => {
      response.statusCode = request.url === `/v9.9.9/${archive}` ? 200 : 404;
      response.end(bytes);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const releases = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const unpack = async (dir: string, checksum: string) => {
      mkdirSync(join(root, dir));
      await fromRelease(join(root, dir), '9.9.9', () => undefined, { releases, checksums: { [archive]: checksum } });
    };
    await unpack('right', createHash('sha256').update(bytes).digest('hex'));
    expect(await run(join(root, 'right', 'nats-server'), ['--version'])).toContain('v9.9.9');
    await expect(unpack('wrong', '0'.repeat(64))).rejects.toThrow('not the pinned 000');
    expect(existsSync(join(root, 'wrong', 'nats-server'))).toBe(false);
    server.close();
  });
});

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
