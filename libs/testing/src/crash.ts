// node --import @pavane/testing/crash …
//
// SEAMS_FILE=path           notes every seam that is reached, once each, as lines of `point of`
// CRASH_AT=point:of[:n]     dies by SIGKILL, as a power cut would have it, when the seam is reached for the n-th time
// KILL_ON=id                dies by SIGKILL whenever a seam is reached that is about this key, e.g. an order
import { appendFileSync } from 'node:fs';
import { subscribe } from 'node:diagnostics_channel';

const { SEAMS_FILE: file, CRASH_AT: crashAt, KILL_ON: deadly } = process.env;
const [point, of, nth = '1'] = crashAt?.split(':') ?? [];
const seen = new Set<string>();
let left = Number(nth);

subscribe('saga.seam', (message) => {
  const seam = message as { point: string; of: string; about?: string };
  const isDue = seam.point === point && seam.of === of && --left === 0;
  if (isDue || (deadly && seam.about === deadly)) process.kill(process.pid, 'SIGKILL');
  const line = `${seam.point} ${seam.of}\n`;
  if (!file || seen.has(line)) return;
  seen.add(line);
  appendFileSync(file, line);
});
