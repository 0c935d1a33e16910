import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ROOT } from './local/settings.js';

/** Imports that must not pass, by the file that tries. */
const FORBIDDEN: [string, string][] = [
  ['apps/order/src/order.ts', '@pavane/payment'],
  ['apps/order/src/order.ts', '../../payment/src/payment.js'],
  ['apps/payment/src/payment.store.ts', '../../../apps/order/src/order.store.js'],
  ['apps/inventory/src/inventory.ts', '@pavane/tools'],
  ['libs/contracts/src/saga.ts', '@pavane/outbox'],
  ['libs/contracts/src/saga.ts', '@pavane/jetstream/provisioning'],
  ['libs/contracts/src/saga.ts', '../../outbox/src/outbox.js'],
  ['libs/contracts/src/events/orders.ts', '../../../outbox/src/outbox.js'],
  ['libs/contracts/src/events/orders.ts', 'node:fs'],
  ['libs/contracts/src/topology.ts', '@nats-io/jetstream'],
  ['libs/contracts/src/topology.ts', '@nestjs/common'],
  ['libs/contracts/src/topology.ts', 'pg'],
  ['libs/jetstream/src/consume/dispatcher.ts', '@pavane/contracts'],
  ['libs/jetstream/src/consume/dispatcher.ts', '@pavane/outbox'],
  ['libs/jetstream/src/provisioning/plan.ts', '@pavane/service'],
  ['libs/jetstream/src/provisioning/plan.ts', '../../../contracts/src/topology.js'],
  ['libs/jetstream/src/consume/dispatcher.ts', '../../../contracts/src/topology.js'],
  ...['flags', 'outbox', 'service', 'telemetry', 'testing'].flatMap((lib): [string, string][] => [
    [`libs/${lib}/src/index.ts`, '@pavane/contracts'],
    [`libs/${lib}/src/index.ts`, '@pavane/order'],
    [`libs/${lib}/src/index.ts`, '@pavane/order/rules'],
    [`libs/${lib}/src/index.ts`, '@pavane/tools'],
    [`libs/${lib}/src/index.ts`, '../../contracts/src/index.js'],
    [`libs/${lib}/src/index.ts`, '../../../apps/order/src/order.js'],
  ]),
  ['tools/src/start.ts', '@pavane/order'],
  ['tools/src/start.ts', '@pavane/order/rules'],
  ['apps/order/src/order.ts', '@pavane/payment/rules'],
  ['tools/src/local/platform.ts', '../../../apps/order/src/order.module.js'],
];
/** And some that must. */
const ALLOWED: [string, string][] = [
  ['apps/order/src/order.ts', '@pavane/contracts'],
  ['apps/order/src/order.store.ts', '@pavane/outbox'],
  ['apps/order/src/order.store.ts', './order.js'],
  ['apps/order/src/order.spec.ts', '@pavane/testing'],
  ['libs/contracts/src/events/orders.ts', 'class-validator'],
  ['libs/contracts/src/events/orders.ts', '../saga.js'],
  ['libs/jetstream/src/consume/dispatcher.int.spec.ts', '@pavane/testing/servers'],
  ['libs/jetstream/src/provisioning/plan.ts', '../errors.js'],
  ['libs/outbox/src/outbox.ts', '@pavane/jetstream'],
  ['libs/service/src/index.ts', '@pavane/outbox'],
  ['tools/src/generate/derived.ts', '@pavane/contracts'],
  ['e2e/src/saga.e2e.spec.ts', '@pavane/order'],
  ['prove/src/model/world.ts', '@pavane/order/rules'],
  ['bench/src/saga/textbook/order.ts', '@pavane/order/module'],
];

interface Finding {
  filename: string;
  code: string;
}

let dir: string;
let refused: Set<string>;
const fileOf = (file: string, imported: string): string => {
  const kind = file.match(/(\.(int|e2e))?(\.spec)?\.ts$/)![0];
  const name = imported.replaceAll(/[^a-z]+/g, '-').replaceAll(/^-|-$/g, '');
  return `${dirname(file)}/imports-${name}-${file.slice(0, -kind.length).replaceAll(/[/.]/g, '-')}${kind}`;
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'pavane-boundaries-'));
  await cp(join(ROOT, '.oxlintrc.json'), join(dir, '.oxlintrc.json'));
  for (const [file, imported] of [...FORBIDDEN, ...ALLOWED]) {
    await mkdir(join(dir, dirname(file)), { recursive: true });
    await writeFile(join(dir, fileOf(file, imported)), `export * from '${imported}';\n`);
  }
  const report = await new Promise<string>((resolve) => {
    const oxlint = join(ROOT, 'node_modules/.bin/oxlint');
    execFile(oxlint, ['-c', '.oxlintrc.json', '--format=json', '.'], { cwd: dir }, (_, out) => resolve(out));
  });
  const { diagnostics } = JSON.parse(report) as { diagnostics: Finding[] };
  refused = new Set(
    diagnostics.filter(({ code }) => code.includes('no-restricted-imports')).map(({ filename }) => filename),
  );
}, 30_000);
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('the boundaries between the rooms of the workspace', () => {
  it.each(FORBIDDEN)('keep %s from importing %s', (file, imported) => {
    expect(refused).toContain(fileOf(file, imported));
  });
  it.each(ALLOWED)('let %s import %s', (file, imported) => {
    expect(refused).not.toContain(fileOf(file, imported));
  });
});
