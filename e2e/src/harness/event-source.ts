import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chromium, type Page } from 'playwright-core';
import { find } from './programs.js';

/** What an `EventSource` went through until it closed for good. */
export interface Followed {
  opens: number;
  /** Ids in the order they came. */
  ids: string[];
}

/** Runs where an `EventSource` is: in a page, or in a process of Node. */
const followUntilClosed = (url: string): Promise<Followed> =>
  new Promise((resolve) => {
    const { EventSource } = globalThis as unknown as { EventSource: new (url: string) => Source };
    const source = new EventSource(url);
    const followed: Followed = { opens: 0, ids: [] };
    source.onopen = () => followed.opens++;
    source.onmessage = ({ lastEventId }) => followed.ids.push(lastEventId);
    source.onerror = () => source.readyState === 2 && resolve(followed);
  });

interface Source {
  readyState: number;
  onopen: unknown;
  onerror: unknown;
  onmessage: (event: { lastEventId: string }) => void;
}

/** Follows with the `EventSource` of Node until it closes for good. */
export async function followInNode(url: string): Promise<Followed> {
  // An EventSource that waits to come back does not keep a process alive.
  const script = `setInterval(() => {}, 1000);
    (${followUntilClosed})(${JSON.stringify(url)}).then((it) => process.stdout.write(JSON.stringify(it), () => process.exit()))`;
  const args = ['--experimental-eventsource', '--disable-warning=ExperimentalWarning', '--eval', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 40_000 });
  return JSON.parse(stdout) as Followed;
}

/** Debian's Chromium on a machine without a network: nothing of its own is looked up. */
const FLAGS = ['--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update'];

/** A browser with a page of the service at this address, where scripts may open event streams to it. */
export class Browser implements AsyncDisposable {
  private constructor(
    private readonly page: Page,
    private readonly dir: string,
  ) {}

  static async open(url: string): Promise<Browser> {
    const dir = mkdtempSync(join(tmpdir(), 'pavane-chromium-'));
    const context = await chromium.launchPersistentContext(dir, {
      executablePath: find('chromium', 'CHROMIUM_BIN')!,
      args: ['--disable-gpu', '--disable-sync', ...FLAGS],
      // Chromium's sandbox refuses to run as root, which CI does.
      chromiumSandbox: false,
      timeout: 60_000,
    });
    const page = context.pages()[0] ?? (await context.newPage());
    await page.goto(`${url}/health/live`);
    return new Browser(page, dir);
  }

  /** Follows with the browser's own `EventSource` until it closes for good. */
  follow(url: string): Promise<Followed> {
    return this.page.evaluate(followUntilClosed, url);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.page.context().close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
