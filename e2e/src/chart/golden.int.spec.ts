import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, jest } from '@jest/globals';
import { CHART, describeChart, template } from './helm.js';
import { VALUE_SETS } from './value-sets.js';

jest.setTimeout(120_000);

describeChart('the renderings that are committed', () => {
  it.each(['dev', 'prod'])('are what the chart renders now (npm run k8s:golden writes them anew): %s', async (set) => {
    const file = join(CHART, 'golden', `${set}.yaml`);
    const now = await template(VALUE_SETS[set]!);
    if (process.env['UPDATE_GOLDEN']) await writeFile(file, now);
    expect(await readFile(file, 'utf8')).toBe(now);
  });
});
