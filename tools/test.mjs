// Every test against real servers; the last line is "N passed, N failed", counted from what ran.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import config from '../jest.config.mjs';

const args = process.argv.slice(2);
if (args.includes('--help')) {
  console.log(
    'npm test -- [rules|parts|saga|load…] [jest options]\n\nRuns every test, or the kinds named: rules (no I/O), parts (real servers), saga (end to end), load (alone on the machine).',
  );
  process.exit(0);
}
const GROUPS = [
  { kinds: ['rules', 'parts'], workers: 2 },
  // Each suite runs a whole platform, which mostly waits.
  { kinds: ['saga'], workers: 2 },
  { kinds: ['load'], workers: 1 },
];
const KINDS = GROUPS.flatMap(({ kinds }) => kinds);
/** A kind whose folder was dropped has no tests. */
const existing = new Set(config.projects.map(({ displayName }) => displayName));
const chosen = args.filter((arg) => KINDS.includes(arg));
const rest = args.filter((arg) => !KINDS.includes(arg));
const results = mkdtempSync(join(tmpdir(), 'pavane-test-'));
let passed = 0;
let failed = 0;

for (const { kinds: all, workers } of GROUPS) {
  const kinds = all.filter((kind) => existing.has(kind) && (chosen.length === 0 || chosen.includes(kind)));
  if (kinds.length === 0) continue;
  const file = join(results, `${kinds.join('-')}.json`);
  const { status } = spawnSync(
    process.execPath,
    [
      '--experimental-vm-modules',
      '--disable-warning=ExperimentalWarning',
      'node_modules/jest/bin/jest.js',
      '--selectProjects',
      ...kinds,
      '--json',
      `--outputFile=${file}`,
      `--maxWorkers=${workers}`,
      '--passWithNoTests',
      ...rest,
    ],
    // A run that hangs is a failure, not a reason to wait for ever.
    { stdio: ['ignore', 'ignore', 'inherit'], timeout: 30 * 60_000, killSignal: 'SIGKILL' },
  );
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    passed += report.numPassedTests;
    // A suite that did not even load has no failed test, and is a failure all the same.
    failed += report.numFailedTests + report.numRuntimeErrorTestSuites;
    if (status !== 0 && report.numFailedTests + report.numRuntimeErrorTestSuites === 0) failed++;
  } catch {
    failed++;
  }
}
rmSync(results, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
if (passed + failed === 0) console.error('nothing ran: no test matches');
process.exit(failed === 0 && passed > 0 ? 0 : 1);
