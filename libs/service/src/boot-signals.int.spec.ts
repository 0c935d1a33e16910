import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const HOOK = new URL('./fixtures/from-source.mjs', import.meta.url).href;
const STUCK = fileURLToPath(new URL('./fixtures/stuck.main.ts', import.meta.url));
const FROM_SOURCE = [process.execPath, '--conditions=workspace-source', '--import', HOOK];
const REGISTER = ['--import', '@pavane/service/register'];
const ENV = {
  PATH: process.env['PATH'],
  HOST: '127.0.0.1',
  PORT: '0',
  DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/nothing',
  NATS_URL: 'nats://127.0.0.1:1',
};
/** An app that is still being loaded, which tells when its own code begins. */
const LOADING = [
  '--input-type=module',
  '--eval',
  `setInterval(() => {}, 1000); process.send('loading'); await new Promise(() => {});`,
];

const running: ChildProcess[] = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

/** A process that said the word. */
async function started([command, ...args]: string[], word: string): Promise<ChildProcess> {
  const child = spawn(command!, args, { env: ENV, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  running.push(child);
  const [said] = (await once(child, 'message', { signal: AbortSignal.timeout(20_000) })) as [string];
  expect(said).toBe(word);
  return child;
}
const ended = async (child: ChildProcess) =>
  (await once(child, 'exit')) as [code: number | null, signal: string | null];

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  it('ends a service at once that is still being loaded', async () => {
    const child = await started([...FROM_SOURCE, ...REGISTER, ...LOADING], 'loading');
    child.kill(signal);
    expect(await ended(child)).toEqual([0, null]);
  });

  it('ends a service at once whose parts are being made', async () => {
    const child = await started([...FROM_SOURCE, STUCK], 'creating');
    child.kill(signal);
    expect(await ended(child)).toEqual([0, null]);
  });
});

const NAMESPACE = ['unshare', '--pid', '--fork', '--kill-child'];
const isPermitted = spawnSync(NAMESPACE[0]!, [...NAMESPACE.slice(1), 'true']).status === 0;
if (!isPermitted)
  process.stderr.write('SKIPPED: boot-signals.int.spec.ts: unshare may not make a PID namespace here\n');

(isPermitted ? describe : describe.skip)('SIGTERM to the first process of a container', () => {
  it.each([
    ['while it is being loaded', [...REGISTER, ...LOADING], 'loading'],
    ['while its parts are being made', [...REGISTER, STUCK], 'creating'],
  ])('ends it at once %s', async (_, args, word) => {
    const unshare = await started([...NAMESPACE, ...FROM_SOURCE, ...args], word);
    const [first] = readFileSync(`/proc/${unshare.pid}/task/${unshare.pid}/children`, 'utf8').split(' ');
    process.kill(Number(first), 'SIGTERM');
    expect(await ended(unshare)).toEqual([0, null]);
  });
});
