import { rmSync } from 'node:fs';
import { UsageError } from '@pavane/tools';
import { faults } from './faults/index.js';
import { writePage } from './report.js';
import { entryOf, type Sabotage, sabotages } from './sabotage/index.js';
import { Scene } from './scene.js';

/** What became of one sabotage. */
interface Played extends Omit<Sabotage, 'caughtBy'> {
  /** What the named check said; absent when it stayed green. */
  caught?: string;
}

/** Plays every sabotage whose name contains `only`, each under the fault that must expose it. */
export async function proveSabotages({
  seed,
  only,
}: {
  seed: number;
  only: string | undefined;
}): Promise<{ ok: boolean; report: object }> {
  const chosen = sabotages.filter(({ name }) => !only || name.includes(only));
  if (chosen.length === 0) throw new UsageError(`no sabotage is called "${only}"`);
  const played: Played[] = [];
  for (const sabotage of chosen) {
    const { caughtBy, ...about } = sabotage;
    console.error(`  … ${`${played.length + 1}/${chosen.length}`.padStart(5)}  ${about.name}: ${about.about}`);
    const fault = faults.find(({ name }) => name === about.fault)!;
    const { violations, keptIn, orders } = await Scene.play(fault, {
      seed,
      entries: { [about.of]: entryOf(sabotage) },
    });
    if (keptIn) rmSync(keptIn, { recursive: true, force: true });
    const caught = violations.find((violation) => caughtBy.test(violation));
    played.push({ ...about, ...(caught && { caught }) });
    console.error(
      `  ${caught ? '✔' : '✘'} ${about.name.padEnd(28)} ${caught ? `caught by ${about.fault}, ${orders} orders` : `was NOT noticed by ${about.fault}`}`,
    );
    for (const text of caught ? [caught] : violations) console.error(`      ${text}`);
  }
  const missed = played.filter(({ caught }) => !caught).map(({ name }) => name);
  console.error(`  ${played.length - missed.length} of ${played.length} sabotages were caught`);
  if (!only) write(seed, played);
  return { ok: missed.length === 0, report: { ok: missed.length === 0, sabotages: played, missed } };
}

function write(seed: number, played: readonly Played[]): void {
  const rows = played.map(
    ({ name, about, fault, caught }) =>
      `| ${name} | ${about} | ${fault} | ${caught?.replaceAll('|', '\\|') ?? '**not noticed**'} |`,
  );
  writePage(
    'sabotage',
    `# Every promise broken on purpose

Written by \`npm run prove -- --sabotage --seed ${seed}\`. One service at a time is run by an entry module that breaks one promise (prove/src/sabotage); the fault beside it must notice, by the check named for it.

| sabotage | what is broken | fault | what the check said |
|---|---|---|---|
${rows.join('\n')}
`,
  );
}
