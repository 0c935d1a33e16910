import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Service } from '@pavane/contracts';
import { ROOT, SERVICES } from '@pavane/tools';

/** What somebody edits to have `payments.completed` carry a field more; see docs/decisions/0015-versions-of-events.md. */
const EDITS: [file: string, from: string, to: string][] = [
  [
    'libs/contracts/src/events/payments.ts',
    'export class PaymentsCompleted extends WithItems {',
    'export class PaymentsCompleted extends WithItems {\n  @IsDefined() method!: string;',
  ],
  [
    'libs/contracts/src/events/index.ts',
    "'payments.completed': { version: 1, payload: PaymentsCompleted },",
    "'payments.completed': { version: 2, payload: PaymentsCompleted, earlier: { 1: (data) => ({ ...data, method: 'card' }) } },",
  ],
  [
    'apps/payment/src/payment.ts',
    'completed = ({ amount, items }: Charge)',
    'completed = ({ amount, items, method }: Charge)',
  ],
  ['apps/payment/src/payment.ts', 'data: { amount, items } });', 'data: { amount, items, method } });'],
];

/**
 * Builds version N+1 of every service in a directory of its own, as its compiler would: contracts and services from the
 * edited sources, everything else from this clone. Resolves to the entry module of each service.
 */
export async function buildNext(dir: string): Promise<Record<Service, string>> {
  const next = join(dir, 'next');
  const rooms = ['libs/contracts', ...SERVICES.map((service) => `apps/${service}`)];
  for (const room of rooms) cpSync(join(ROOT, room, 'src'), join(next, room, 'src'), { recursive: true });
  cpSync(join(ROOT, 'libs/contracts/package.json'), join(next, 'libs/contracts/package.json'));
  writeFileSync(join(next, 'package.json'), '{ "type": "module" }');
  for (const [file, from, to] of EDITS) {
    const source = readFileSync(join(next, file), 'utf8');
    if (!source.includes(from)) throw new Error(`${file} has no "${from}" any more; correct the edits of this test`);
    writeFileSync(join(next, file), source.replace(from, to));
  }
  // Found before the packages of this clone, which come one directory above.
  mkdirSync(join(next, 'node_modules/@pavane'), { recursive: true });
  symlinkSync(join(next, 'libs/contracts'), join(next, 'node_modules/@pavane/contracts'));
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  await compile(next, 'libs/contracts/src', 'libs/contracts/dist');
  await compile(next, 'apps', 'built');
  // A service looks beside its code for what its database must have.
  const migrations = 'prisma/migrations';
  for (const name of SERVICES)
    cpSync(join(ROOT, 'apps', name, migrations), join(next, 'built', name, migrations), { recursive: true });
  return Object.fromEntries(SERVICES.map((name) => [name, join(next, 'built', name, 'src/main.js')])) as Record<
    Service,
    string
  >;
}

async function compile(cwd: string, rootDir: string, outDir: string): Promise<void> {
  const config = join(cwd, `tsconfig.${outDir.replaceAll('/', '-')}.json`);
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.base.json'),
      compilerOptions: { rootDir, outDir, composite: false, sourceMap: false },
      include: [rootDir],
      exclude: ['**/*.spec.ts', '**/*.fixture.ts', '**/fixtures'],
    }),
  );
  await promisify(execFile)(join(ROOT, 'node_modules/.bin/tsc'), ['-p', config], { cwd }).catch(
    (error: { stdout?: string }) => {
      throw new Error(`version N+1 does not compile:\n${error.stdout}`, { cause: error });
    },
  );
  if (readdirSync(join(cwd, outDir)).length === 0) throw new Error(`nothing was built in ${outDir}`);
}
