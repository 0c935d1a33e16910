import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { natsServerBinary } from '@pavane/testing';
import { CHART, describeChart, type Manifest, manifestsIn, run, template } from './helm.js';
import { VALUE_SETS } from './value-sets.js';

jest.setTimeout(120_000);

interface Variable {
  name: string;
  value?: string;
}

describeChart('the configuration of the bundled nats-servers', () => {
  let dir: string;
  const configs = new Map<string, { conf: string; env: Record<string, string> }>();

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pavane-chart-'));
    for (const set of ['dev', 'dev with TLS to NATS', 'dev with one nats-server']) {
      const manifests = manifestsIn(await template(VALUE_SETS[set]!));
      const find = (kind: string): Manifest => manifests.find((m) => m.kind === kind && m.metadata.name === 'nats')!;
      const [container] = find('StatefulSet').spec.template.spec.containers;
      configs.set(set, { conf: find('ConfigMap')['data']['nats.conf'], env: environmentOf(container.env) });
    }
  });
  afterAll(() => rm(dir, { recursive: true, force: true }));

  /** What `nats-server -t` says of it. */
  async function check(set: string) {
    const { conf, env } = configs.get(set)!;
    const file = join(dir, 'nats.conf');
    await writeFile(file, conf.replaceAll('/etc/nats-tls', dir));
    return run(await natsServerBinary(), ['-t', '-c', file], env);
  }

  it.each(['dev', 'dev with one nats-server'])('is taken by nats-server: %s', async (set) => {
    expect(await check(set)).toMatchObject({ code: 0, output: expect.stringContaining('is valid') });
  });

  it('is taken by nats-server, with the certificates of the Secret: dev with TLS to NATS', async () => {
    expect((await check('dev with TLS to NATS')).output).toContain('tls.crt');
    const [key, cert] = [join(dir, 'tls.key'), join(dir, 'tls.crt')];
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=nats', '-keyout', key, '-out', cert];
    expect(await run('openssl', made)).toMatchObject({ code: 0 });
    await writeFile(join(dir, 'ca.crt'), await readFile(cert));
    expect(await check('dev with TLS to NATS')).toMatchObject({ code: 0 });
  });

  it('says what must not be forgotten: every write synced, nobody without a key, no address of a pod given away', () => {
    for (const { conf } of configs.values()) {
      expect(conf).toContain('sync_interval: always');
      expect(conf).not.toMatch(/no_auth_user|allow_non_tls/);
    }
    expect(configs.get('dev')!.conf).toContain(`max_file_store: ${768 * 1024 ** 2}\n`);
    expect(configs.get('dev')!.conf).toContain('no_advertise: true');
    expect(configs.get('dev with one nats-server')!.conf).not.toContain('cluster {');
  });

  it('gives every user its own subjects, and no others', async () => {
    const permissions = JSON.parse(await readFile(join(CHART, 'files/nats-permissions.json'), 'utf8'));
    for (const { conf } of configs.values()) {
      const users = [
        ...conf.matchAll(/# (\w+)\n\s+\{ nkey: U\w+, permissions: \{ publish: (\[.*?\]), subscribe: (\[.*?\]) \} \}/g),
      ];
      expect(
        Object.fromEntries(
          users.map(([, user, publish, subscribe]) => [
            user,
            { publish: JSON.parse(publish!), subscribe: JSON.parse(subscribe!) },
          ]),
        ),
      ).toEqual(permissions);
      expect(conf.match(/nkey:/g)).toHaveLength(Object.keys(permissions).length);
    }
  });
});

/** The environment as Kubernetes would make it, with a password that a careless configuration would read as a number. */
function environmentOf(variables: readonly Variable[]): Record<string, string> {
  const env: Record<string, string> = { POD_NAME: 'nats-0', PASSWORD: '12k' };
  for (const { name, value } of variables)
    if (value !== undefined) env[name] = value.replaceAll(/\$\((\w+)\)/g, (_, other: string) => env[other]!);
  return env;
}
