import { Agent, request } from 'node:https';
import type { Manifest } from './manifests.js';

/** How to reach an API server. */
export interface Access {
  url: string;
  /** The certificate it must show, in PEM. */
  ca: string;
  token: string;
}

/** The API server refused; the message is its own. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'Refused';
  }
}

interface Answer<T> {
  body: T;
  /** What the server has to say about a request it accepted, e.g. that a field is deprecated. */
  warnings: string[];
}

interface Kind {
  /** Its address up to the namespace, e.g. `/apis/apps/v1`. */
  base: string;
  /** Its name in an address, e.g. `deployments`. */
  plural: string;
  namespaced: boolean;
  listed: boolean;
}

/** What aggregated discovery answers. */
interface Discovery {
  items: {
    metadata?: { name?: string };
    versions: {
      version: string;
      resources?: { resource: string; responseKind?: { kind: string }; scope: string; verbs: string[] }[];
    }[];
  }[];
}

const DISCOVERY = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
/** Helm writes under this name, so that what a dry run would take away is what Helm would. */
const FIELD_MANAGER = 'helm';

/** The little of the Kubernetes API that this check needs. Every write is validated strictly: an unknown field is an error. */
export class KubernetesApi {
  readonly #agent: Agent;
  #kinds: Map<string, Kind> | undefined;

  constructor(private readonly access: Access) {
    this.#agent = new Agent({ ca: access.ca, keepAlive: true, maxSockets: 8 });
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Resolves when the server says that it is ready. */
  async ready(): Promise<void> {
    await this.#ask('GET', '/readyz');
  }

  /** Its version, e.g. `v1.37.2`. */
  async version(): Promise<string> {
    return (await this.#ask<{ gitVersion: string }>('GET', '/version')).body.gitVersion;
  }

  /** Creates the object; with `dryRun`, only as far as the server would admit it. */
  async create(manifest: Manifest, namespace: string, dryRun = false): Promise<string[]> {
    const path = `${await this.#collection(manifest, namespace)}?fieldValidation=Strict${dryRun ? '&dryRun=All' : ''}`;
    return (await this.#ask('POST', path, manifest)).warnings;
  }

  /** What a server-side apply of the object would make of it. Nothing is changed. */
  async wouldApply(manifest: Manifest, namespace: string): Promise<Answer<Manifest>> {
    const query = `?dryRun=All&fieldValidation=Strict&force=true&fieldManager=${FIELD_MANAGER}`;
    const path = `${await this.#collection(manifest, namespace)}/${manifest.metadata.name}${query}`;
    return this.#ask<Manifest>('PATCH', path, manifest, 'application/apply-patch+yaml');
  }

  /** The object as it is now; undefined when there is none. */
  async read(manifest: Manifest, namespace: string): Promise<Manifest | undefined> {
    try {
      const path = `${await this.#collection(manifest, namespace)}/${manifest.metadata.name}`;
      return (await this.#ask<Manifest>('GET', path)).body;
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return undefined;
      throw error;
    }
  }

  /** Everything of one kind in the namespace. */
  async list(apiVersion: string, kind: string, namespace: string): Promise<Manifest[]> {
    const path = await this.#collection({ apiVersion, kind, metadata: { name: '' } }, namespace);
    const { items } = (await this.#ask<{ items: Manifest[] }>('GET', path)).body;
    return items.map((item) => ({ ...item, apiVersion, kind }));
  }

  /** Everything in the namespace, of every kind the server knows. */
  async listAll(namespace: string): Promise<Manifest[]> {
    const kinds = [...(await this.#discovered())].filter(([, { namespaced, listed }]) => namespaced && listed);
    const lists = kinds.map(([key]) => {
      const [kind, apiVersion] = key.split(' ') as [string, string];
      return this.list(apiVersion, kind, namespace);
    });
    return (await Promise.all(lists)).flat();
  }

  /** Changes the status of an object, as its controller would. */
  async setStatus(manifest: Manifest, namespace: string, status: object): Promise<void> {
    const path = `${await this.#collection(manifest, namespace)}/${manifest.metadata.name}/status`;
    await this.#ask('PATCH', path, { status }, 'application/merge-patch+json');
  }

  /** Forgets which kinds there are: asked again after a definition was added. */
  rediscover(): void {
    this.#kinds = undefined;
  }

  async #collection({ apiVersion, kind, metadata }: Manifest, namespace: string): Promise<string> {
    const found = (await this.#discovered()).get(`${kind} ${apiVersion}`);
    if (!found) throw new Refused(404, `the API server knows no ${kind} in ${apiVersion}`);
    const { base, namespaced, plural } = found;
    return namespaced ? `${base}/namespaces/${metadata.namespace ?? namespace}/${plural}` : `${base}/${plural}`;
  }

  async #discovered(): Promise<Map<string, Kind>> {
    if (this.#kinds) return this.#kinds;
    const kinds = new Map<string, Kind>();
    for (const root of ['/api', '/apis']) {
      const { items } = (await this.#ask<Discovery>('GET', root)).body;
      for (const { metadata, versions } of items)
        for (const { version, resources = [] } of versions)
          for (const { resource, responseKind, scope, verbs } of resources) {
            const apiVersion = metadata?.name ? `${metadata.name}/${version}` : version;
            kinds.set(`${responseKind?.kind} ${apiVersion}`, {
              base: `${root}/${apiVersion}`,
              plural: resource,
              namespaced: scope === 'Namespaced',
              listed: verbs.includes('list'),
            });
          }
    }
    return (this.#kinds = kinds);
  }

  #ask<T>(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<Answer<T>> {
    const { url, token } = this.access;
    return new Promise((resolve, reject) => {
      const asked = request(`${url}${path}`, {
        method,
        agent: this.#agent,
        timeout: 30_000,
        headers: {
          authorization: `Bearer ${token}`,
          accept: method === 'GET' && /^\/apis?$/.test(path) ? DISCOVERY : 'application/json',
          ...(body !== undefined && { 'content-type': contentType }),
        },
      });
      asked.once('timeout', () => asked.destroy(new Error(`${method} ${path} was not answered within 30 s`)));
      asked.once('error', reject);
      asked.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk)).once('error', reject);
        response.once('end', () => {
          const said = Buffer.concat(chunks).toString('utf8');
          const status = response.statusCode ?? 0;
          if (status >= 300) return reject(new Refused(status, messageOf(said)));
          resolve({
            body: (path === '/readyz' ? said : JSON.parse(said)) as T,
            warnings: warningsOf(response.rawHeaders),
          });
        });
      });
      asked.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}

/** The server's own words: a Status object, or text. */
function messageOf(said: string): string {
  try {
    return (JSON.parse(said) as { message: string }).message;
  } catch {
    return said.trim();
  }
}

/** `299 - "text"`, one header each. */
function warningsOf(raw: readonly string[]): string[] {
  return raw.flatMap((name, i) => {
    if (i % 2 === 1 || name.toLowerCase() !== 'warning') return [];
    const [, text] = /^299 \S+ (".*")$/.exec(raw[i + 1]!) ?? [];
    return [text ? (JSON.parse(text) as string) : raw[i + 1]!];
  });
}
