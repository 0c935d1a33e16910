import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const SKEWED_CLOCK = pathToFileURL(join(import.meta.dirname, 'skewed-clock.ts')).href;
const MINUTE_MS = 60_000;

it.each([5, -5])(
  'a process believes that it is %i minutes later than it is, and knows dates that are named',
  async (minutes) => {
    const script = `console.log(JSON.stringify([Date.now(), +new Date(), Date.parse(Date()), +new Date(7), new Date() instanceof Date]))`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', SKEWED_CLOCK, '-e', script], {
      env: { ...process.env, NODE_OPTIONS: '', SKEW_MS: `${minutes * MINUTE_MS}` },
    });
    const [now, made, said, named, isDate] = JSON.parse(stdout) as [number, number, number, number, boolean];
    for (const time of [now, made, said])
      expect(Math.abs(time - Date.now() - minutes * MINUTE_MS)).toBeLessThan(MINUTE_MS);
    expect([named, isDate]).toEqual([7, true]);
  },
);
