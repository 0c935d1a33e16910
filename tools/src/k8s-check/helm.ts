import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { documentsOf, type Manifest } from './manifests.js';

const execute = promisify(execFile);

/** Nothing waits for something real here: a minute is a hang. */
const TIMEOUT = '60s';

/** One release of the chart, through Helm. */
export class Release {
  readonly name = 'pavane';

  constructor(
    private readonly helm: string,
    private readonly env: Record<string, string>,
    private readonly namespace: string,
    private readonly chart: string,
    private readonly valuesFiles: readonly string[],
  ) {}

  async install(): Promise<void> {
    await this.#run('install', this.name, this.chart, ...this.#values(), '--timeout', TIMEOUT);
  }

  async upgrade(values: Record<string, string | number>): Promise<void> {
    const set = Object.entries(values).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
    await this.#run('upgrade', this.name, this.chart, ...this.#values(), ...set, '--timeout', TIMEOUT);
  }

  async rollback(revision: number): Promise<void> {
    await this.#run('rollback', this.name, `${revision}`, '--timeout', TIMEOUT);
  }

  async uninstall(): Promise<void> {
    await this.#run('uninstall', this.name, '--timeout', TIMEOUT);
  }

  /** What the present revision consists of: what Helm keeps, and what it only runs at certain moments. */
  async documents(): Promise<{ kept: Manifest[]; hooks: Manifest[] }> {
    return {
      kept: documentsOf(await this.#run('get', 'manifest', this.name)),
      hooks: documentsOf(await this.#run('get', 'hooks', this.name)),
    };
  }

  #values(): string[] {
    return this.valuesFiles.flatMap((file) => ['--values', file]);
  }

  async #run(...args: string[]): Promise<string> {
    try {
      const options = { env: this.env, maxBuffer: 1 << 26 };
      return (await execute(this.helm, [...args, '--namespace', this.namespace], options)).stdout;
    } catch (error) {
      const { stderr, message } = error as Error & { stderr?: string };
      throw new Error(stderr?.trim() || message, { cause: error });
    }
  }
}
