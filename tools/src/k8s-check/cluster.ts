import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, ServerProcess } from '@pavane/testing/servers';
import { type Access, KubernetesApi } from './api.js';

/** An API server with nothing behind it: objects are validated, admitted and stored, and nothing acts on them. */
export interface Cluster extends AsyncDisposable {
  api: KubernetesApi;
  /** What Helm needs to reach it, and nothing of the caller's own Kubernetes. */
  helmEnvironment: Record<string, string>;
  /** Holds its logs and whatever a check needs a place for; goes with it. */
  dir: string;
}

const READY_WITHIN_MS = 120_000;
const USER = 'k8s-check';

/** Starts etcd and a kube-apiserver on free ports of loopback, with keys made for this run; neither outlives this process. */
export async function startCluster(binaries: { etcd: string; 'kube-apiserver': string }): Promise<Cluster> {
  const dir = mkdtempSync(join(tmpdir(), 'pavane-k8s-'));
  const servers: ServerProcess[] = [];
  const stop = async () => {
    for (const server of servers.toReversed()) await server.stop('SIGTERM');
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const [client, peer, port] = [await freePort(), await freePort(), await freePort()];
    const etcdUrl = `http://127.0.0.1:${client}`;
    const etcd = launch('etcd', binaries.etcd, etcdArguments(dir, etcdUrl, `http://127.0.0.1:${peer}`), dir);
    servers.push(etcd);
    await etcd.ready(async () => {
      const health = await fetch(`${etcdUrl}/health`, { signal: AbortSignal.timeout(1000) });
      if (!health.ok) throw new Error(await health.text());
    }, READY_WITHIN_MS);
    const token = writeCredentials(dir);
    const server = launch('kube-apiserver', binaries['kube-apiserver'], apiArguments(dir, etcdUrl, port), dir);
    servers.push(server);
    let api: KubernetesApi | undefined;
    let access: Access | undefined;
    await server.ready(async () => {
      // The server makes its certificate itself, as soon as it starts.
      access ??= { url: `https://127.0.0.1:${port}`, ca: readFileSync(join(dir, 'apiserver.crt'), 'utf8'), token };
      await (api ??= new KubernetesApi(access)).ready();
    }, READY_WITHIN_MS);
    return {
      api: api!,
      helmEnvironment: helmEnvironment(dir, access!),
      dir,
      async [Symbol.asyncDispose]() {
        api?.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function launch(name: string, command: string, args: string[], dir: string): ServerProcess {
  const logFile = join(dir, `${name}.log`);
  return ServerProcess.launch({
    name,
    command,
    args,
    logFile,
    cwd: dir,
    orphanSignal: 'SIGTERM',
    ...(name === 'etcd' && { disposableDir: dir }),
  });
}

// Nothing here has to survive a power failure.
const etcdArguments = (dir: string, client: string, peer: string): string[] => [
  `--data-dir=${join(dir, 'etcd')}`,
  `--listen-client-urls=${client}`,
  `--advertise-client-urls=${client}`,
  `--listen-peer-urls=${peer}`,
  `--initial-advertise-peer-urls=${peer}`,
  `--initial-cluster=default=${peer}`,
  '--unsafe-no-fsync',
  '--log-level=warn',
];

// Admission plugins as they come: Pod Security and ServiceAccount are among the defaults.
const apiArguments = (dir: string, etcd: string, port: number): string[] => [
  `--etcd-servers=${etcd}`,
  '--bind-address=127.0.0.1',
  '--advertise-address=127.0.0.1',
  '--endpoint-reconciler-type=none',
  `--secure-port=${port}`,
  `--cert-dir=${dir}`,
  '--authorization-mode=RBAC',
  // As on most clusters: that a pod may not be privileged is for Pod Security to say.
  '--allow-privileged=true',
  `--token-auth-file=${join(dir, 'tokens.csv')}`,
  '--service-account-issuer=https://kubernetes.default.svc',
  `--service-account-key-file=${join(dir, 'service-accounts.pem')}`,
  `--service-account-signing-key-file=${join(dir, 'service-accounts.pem')}`,
  '--service-cluster-ip-range=10.96.0.0/16',
];

/** Writes the key that signs service account tokens, and resolves to the token of the one user there is. */
function writeCredentials(dir: string): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  writeFileSync(join(dir, 'service-accounts.pem'), privateKey.export({ type: 'pkcs1', format: 'pem' }), {
    mode: 0o600,
  });
  const token = randomBytes(32).toString('hex');
  writeFileSync(join(dir, 'tokens.csv'), `${token},${USER},${USER},"system:masters"\n`, { mode: 0o600 });
  return token;
}

/** Writes a kubeconfig (JSON is YAML) and names the directories in which Helm keeps things. */
function helmEnvironment(dir: string, { url, ca, token }: Access): Record<string, string> {
  const file = join(dir, 'kubeconfig');
  const name = USER;
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') } }],
    users: [{ name, user: { token } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  };
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  return { PATH: process.env['PATH'] ?? '', HOME: dir, KUBECONFIG: file };
}
