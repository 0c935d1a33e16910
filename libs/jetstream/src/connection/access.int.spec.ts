import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, nkeys } from '@nats-io/transport-node';
import { startNats } from '@pavane/testing/servers';
import { access, AccessFileError, certificateProblem, seedProblem } from './access.js';

let dir: string;
beforeAll(() => (dir = mkdtempSync(join(tmpdir(), 'pavane-access-'))));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const fileOf = (name: string, content: string | Uint8Array): string => {
  const file = join(dir, name);
  writeFileSync(file, content);
  return file;
};
const seedOf = (pair: { getSeed(): Uint8Array }): string => new TextDecoder().decode(pair.getSeed());

describe('a file with a seed', () => {
  it('signs in the user it belongs to, whitespace around it or not', async () => {
    const user = nkeys.createUser();
    await using nats = await startNats({
      config: `authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`,
    });
    const nkeyFile = fileOf('user.nk', `${seedOf(user)}\n`);
    const nc = await connect({ servers: nats.url, ...access({ nkeyFile }) });
    await nc.flush();
    await nc.close();
    await expect(connect({ servers: nats.url, ...access({}) })).rejects.toThrow(/authorization/i);
  });

  it.each([
    ['is not there', () => join(dir, 'nowhere.nk'), /cannot be read \(ENOENT\)/],
    ['is a directory', () => dir, /cannot be read \(EISDIR\)/],
    ['holds something else', () => fileOf('else.nk', 'hunter2'), /does not hold the NKey seed of a user/],
    ['is empty', () => fileOf('empty.nk', ''), /does not hold the NKey seed of a user/],
    ['holds the seed of an account', () => fileOf('account.nk', seedOf(nkeys.createAccount())), /seed of a user/],
    ['holds a seed with a slip', () => fileOf('slip.nk', seedOf(nkeys.createUser()).slice(0, -1)), /seed of a user/],
  ])('that %s is told to be so, and not what it holds', (_, make, problem) => {
    const nkeyFile = make();
    expect(seedProblem(nkeyFile)).toMatch(problem);
    expect(() => access({ nkeyFile })).toThrow(AccessFileError);
    expect(() => access({ nkeyFile })).not.toThrow(/hunter2|SA[A-Z2-7]{40}|SU[A-Z2-7]{40}/);
  });
});

describe('a file with a CA certificate', () => {
  it('that is not there, or holds something else, is told to be so', () => {
    expect(certificateProblem(join(dir, 'nowhere.pem'))).toMatch(/ENOENT/);
    expect(certificateProblem(fileOf('else.pem', 'hunter2'))).toMatch(/does not hold a certificate/);
    expect(() => access({ caFile: join(dir, 'nowhere.pem') })).toThrow(AccessFileError);
  });
});

const able = hasOpenssl();
if (!able) console.warn('SKIPPED: TLS to the broker; there is no openssl in PATH to make certificates with');
(able ? describe : describe.skip)('TLS', () => {
  it('lets a client reach the broker that its CA vouches for, and neither another one nor one without TLS', async () => {
    const [ours, theirs] = [authority('ours'), authority('theirs')];
    const { cert, key } = serverCertificate(ours);
    await using nats = await startNats({ config: `tls { cert_file: "${cert}", key_file: "${key}" }` });
    const entering = async (caFile: string, { port }: { port: number }) => {
      const nc = await connect({ servers: `localhost:${port}`, reconnect: false, ...access({ caFile }) });
      await nc.flush();
      const required = nc.info?.tls_required;
      await nc.close();
      return required;
    };
    // Of the reasons only the text: what TLS throws holds certificates that hold each other.
    const refusal = (attempt: Promise<unknown>) => attempt.then(String, ({ message }: Error) => message);
    expect(await entering(ours.cert, nats)).toBe(true);
    expect(await refusal(entering(theirs.cert, nats))).toMatch(/verify|issuer|self.signed/i);
    await using plain = await startNats();
    expect(await refusal(entering(ours.cert, plain))).toMatch(/tls/i);
  });
});

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function authority(name: string): { cert: string; key: string } {
  const [cert, key] = [join(dir, `${name}-ca.pem`), join(dir, `${name}-ca.key`)];
  openssl('req', '-x509', ...NEW_KEY, '-keyout', key, '-out', cert, '-subj', `/CN=${name}`, '-days', '1');
  return { cert, key };
}

function serverCertificate(ca: { cert: string; key: string }): { cert: string; key: string } {
  const [cert, key, request] = [join(dir, 'server.pem'), join(dir, 'server.key'), join(dir, 'server.csr')];
  const names = fileOf('names.ext', 'subjectAltName=DNS:localhost');
  openssl('req', ...NEW_KEY, '-keyout', key, '-out', request, '-subj', '/CN=nats');
  openssl(
    ...['x509', '-req', '-in', request, '-CA', ca.cert, '-CAkey', ca.key, '-CAcreateserial'],
    ...['-out', cert, '-days', '1', '-extfile', names],
  );
  return { cert, key };
}
