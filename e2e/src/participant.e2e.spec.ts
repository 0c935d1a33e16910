import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { freePorts, PORTS, type PortName, ROOT } from '@pavane/tools';
import { freePort } from '@pavane/testing/servers';

// A workspace is copied, changed, built twice and run.
jest.setTimeout(600_000);

const LISTINGS = [
  'docker-compose.yml',
  'k8s/values.yaml',
  'k8s/files/rules.yaml',
  'k8s/files/nats-permissions.json',
  'docker/observability/prometheus.yml',
  'README.md',
];

let copy: string;
beforeAll(async () => {
  // Hard links need the same file system; git and the tools of this workspace look past this folder.
  await mkdir(join(ROOT, '.nx'), { recursive: true });
  copy = await mkdtemp(join(ROOT, '.nx/copy-'));
  const files = await run(ROOT, 'git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard');
  for (const file of files.split('\0').filter(Boolean))
    await cp(join(ROOT, file), join(copy, file)).catch((error: NodeJS.ErrnoException) => {
      // Deleted and not yet committed.
      if (error.code !== 'ENOENT') throw error;
    });
  await run(ROOT, 'cp', '-al', join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  // npm and the bootstrap write these in place, and so would write those of this workspace.
  for (const file of ['.package-lock.json', '.installed-from']) {
    const own = join(copy, 'node_modules', file);
    if (!existsSync(own)) continue;
    await rm(own);
    await cp(join(ROOT, 'node_modules', file), own);
  }
  await inCopy('git', 'init', '--quiet');
  await inCopy('git', 'add', '--all');
  await inCopy('git', '-c', 'user.name=test', '-c', 'user.email=test@example.com', 'commit', '--quiet', '-m', 'all');
}, 120_000);
afterAll(() => rm(copy, { recursive: true, force: true }));

/** Output of a command that must succeed. */
function run(cwd: string, command: string, ...args: string[]): Promise<string> {
  const { HOME, PATH = '' } = process.env;
  const env = { HOME, PATH: [join(cwd, 'node_modules/.bin'), PATH].join(delimiter), NX_DAEMON: 'false', NO_COLOR: '1' };
  return new Promise((resolve, reject) => {
    execFile(command, args, { cwd, env: { ...env, ...ports }, maxBuffer: 1 << 26 }, (error, out, err) =>
      error ? reject(new Error(`${command} ${args.join(' ')} failed:\n${out}${err}`)) : resolve(out),
    );
  });
}
const inCopy = (command: string, ...args: string[]) => run(copy, command, ...args);
const ports: Record<string, string> = {};
async function pickPorts(): Promise<void> {
  const free = Object.entries(await freePorts()).map(
    ([name, port]) => [PORTS[name as PortName].variable, port] as const,
  );
  for (const [variable, port] of free) ports[variable] = `${port}`;
  const taken = new Set(free.map(([, port]) => port));
  for (const name of ['SHIPPING', 'CARRIER']) {
    let port = await freePort();
    while (taken.has(port)) port = await freePort();
    taken.add(port);
    ports[`${name}_PORT`] = `${port}`;
  }
}
afterEach(async () => {
  await inCopy('git', 'checkout', '--quiet', '.');
  await inCopy('git', 'clean', '-fdq');
});

const changed = async () => (await inCopy('git', 'status', '--porcelain')).split('\n').filter(Boolean);

it.each([
  [
    'a name that is none',
    ['participant', 'Ship-ping', '--hears', 'orders.confirmed'],
    /"Ship-ping" cannot name a service/,
  ],
  [
    'a service that is there',
    ['participant', 'payment', '--hears', 'orders.confirmed'],
    /there is a service payment already/,
  ],
  ...['tools', 'nats', 'operator', 'class', 'answered'].map((name): [string, string[], RegExp] => [
    `the reserved name ${name}`,
    ['participant', name, '--hears', 'orders.confirmed', '--port', '4010'],
    new RegExp(`"${name}" cannot name a service[^]*--port 4010 is that of provider`),
  ]),
  [
    'an event that nobody publishes',
    ['participant', 'shipping', '--hears', 'orders.shipped'],
    /--hears orders\.shipped: there is no such event/,
  ],
  [
    'an event of another',
    ['participant', 'shipping', '--hears', 'orders.confirmed', '--says', 'payments.failed'],
    /there is such an event already/,
  ],
  [
    'a removal that others build on',
    ['remove-participant', 'inventory'],
    /order answers its inventory\.reserved with orders\.confirmed/,
  ],
  [
    'a removal that the proof builds on',
    ['remove-participant', 'notification'],
    /prove, bench, e2e know it by hand.*node tools\/drop\.mjs prove bench e2e/,
  ],
])('%s is refused, and nothing is changed', async (_, args, reason) => {
  await expect(inCopy('nx', 'g', ...args)).rejects.toThrow(reason);
  expect(await changed()).toEqual([]);
});

it('what only a removed service needs goes with it; what another publishes for it alone keeps it', async () => {
  const before = await readFile(join(copy, 'libs/contracts/src/events/inventory.ts'), 'utf8');
  await inCopy('nx', 'g', 'participant', 'refunds', '--hears', 'payments.refunded', '--says', 'inventory.returned');
  // No order that is confirmed is refunded.
  expect(await changed()).not.toContain('?? e2e/src/refunds-rules.e2e.spec.ts');
  const index = join(copy, 'libs/contracts/src/events/index.ts');
  const definitions = await readFile(index, 'utf8');
  const earlier = 'earlier: {\n      1: (data) => ({\n        ...data,\n      }),\n    },\n';
  await writeFile(
    index,
    definitions.replace(
      "'inventory.returned': { version: 1, payload: InventoryReturned },",
      `'inventory.returned': {\n    version: 2,\n    payload: InventoryReturned,\n    ${earlier}  },`,
    ),
  );
  await inCopy('npm', 'run', '--silent', 'generate');
  const said = ['stock.counted', '--saidBy', 'inventory', '--on', 'orders.confirmed', '--heardBy', 'refunds'];
  const saga = await readFile(join(copy, 'libs/contracts/src/saga.ts'), 'utf8');
  await inCopy('nx', 'g', 'event', ...said);
  await expect(inCopy('nx', 'g', 'remove-participant', 'refunds')).rejects.toThrow(
    /nobody else subscribes to stock\.counted, which inventory publishes/,
  );
  await writeFile(
    join(copy, 'libs/contracts/src/saga.ts'),
    saga.replace("'payments.refunded': ['inventory.returned'],", "$&\n    'stock.counted': [],"),
  );
  await inCopy('nx', 'g', 'remove-participant', 'refunds');
  expect(await readFile(join(copy, 'libs/contracts/src/events/inventory.ts'), 'utf8')).toBe(before);
  expect(await changed()).toEqual([]);
});

it('an event, and the next version of one, are one command each', async () => {
  await inCopy('nx', 'g', 'event-version', 'payments.completed');
  await inCopy('npm', 'run', '--silent', 'generate', '--', '--check');
  expect(await changed()).toEqual([
    ' M libs/contracts/src/events/index.ts',
    '?? libs/contracts/schemas/payments.completed.v2.json',
  ]);
  await inCopy('git', 'checkout', '--quiet', '.');
  await inCopy('git', 'clean', '-fdq');

  await inCopy(
    'nx',
    'g',
    'event',
    'stock.counted',
    '--saidBy',
    'inventory',
    '--on',
    'orders.confirmed',
    '--heardBy',
    'order',
  );
  expect(await readFile(join(copy, 'libs/contracts/src/saga.ts'), 'utf8')).toMatch(
    /'stock\.counted': \[\],[^]*'orders\.confirmed': \['stock\.counted'\]/,
  );
  expect(await changed()).toContain('?? libs/contracts/schemas/stock.counted.v1.json');
});

/** The blocks of a page, in order: commands, and files with the path after the language. */
const blocksOf = (page: string) =>
  [...page.matchAll(/^```(sh|ts (\S+))\n([^]*?)^```$/gm)].map(([, , file, text]) => ({ file, text: text! }));

it('the tutorial works as it stands: a participant is one command, asks a carrier, and is gone by another', async () => {
  const shown: string[] = [];
  for (const { file, text } of blocksOf(await readFile(join(copy, 'docs/tutorial.md'), 'utf8'))) {
    if (text.includes('remove-participant')) {
      // Whatever lists services lists it.
      for (const listing of LISTINGS) expect(await readFile(join(copy, listing), 'utf8')).toContain('shipping');
      // The rules of everybody else hold beside it.
      expect(await inCopy('npm', 'test', '--silent', '--', 'rules')).toMatch(/^\d+ passed, 0 failed$/m);
      // One that publishes nothing, before both go.
      await inCopy('nx', 'g', 'participant', 'ledger', '--hears', 'orders.confirmed,orders.cancelled');
      await inCopy('npm', 'run', '--silent', 'generate', '--', '--check');
      await inCopy('nx', 'run-many', '-t', 'typecheck', 'lint', '-p', '@pavane/ledger', '@pavane/order');
      expect(await inCopy('npm', 'test', '--silent', '--', 'rules', 'parts', 'apps/ledger')).toMatch(
        /^5 passed, 0 failed$/m,
      );
      await inCopy('nx', 'g', 'remove-participant', 'ledger');
    }
    // Long before, another process might take them.
    if (text.includes('npm run demo')) await pickPorts();
    if (file === undefined) shown.push(await inCopy('bash', '-euo', 'pipefail', '-c', text));
    else if (file.endsWith('services.ts')) {
      const services = await readFile(join(copy, file), 'utf8');
      expect(services).toContain('  shipping: { port: 3004 },\n');
      await writeFile(join(copy, file), services.replace('  shipping: { port: 3004 },\n', text));
    } else {
      await mkdir(dirname(join(copy, file)), { recursive: true });
      await writeFile(join(copy, file), text);
    }
  }
  const [, simplest, asked] = shown;
  expect(asked).toMatch(/^5 passed, 0 failed$/m);
  for (const demo of [simplest, asked]) {
    expect(demo).toMatch(/→ confirmed\n(?:.+\n)*.* shipments\.dispatched\n/);
    expect(demo).toContain('notification, shipping answered');
    expect(demo).toContain('Everything adds up.');
  }
  expect(await changed()).toEqual([]);
  expect(await readdir(join(copy, 'apps'))).not.toContain('shipping');
});
