import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, jest } from '@jest/globals';
import { ROOT } from '@pavane/tools';
import { describeWith, find } from '../harness/programs.js';
import { run } from './helm.js';
import { metricsIn, OF_PROMETHEUS, OF_THE_EXPORTER, panelExpressions, rules, RULES_FILE } from './metrics.js';

jest.setTimeout(120_000);

/** What our own instruments are called once exported: a counter's name ends in _total, a histogram is three series. */
function ofTheServices(): string[] {
  const sources = ['libs', 'apps'].flatMap((room) =>
    readdirSync(join(ROOT, room)).flatMap((part) => filesIn(join(ROOT, room, part, 'src'))),
  );
  return sources.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/(?:create(\w+)|\bgauge)\(\s*'([a-z0-9_.]+)'/g)].flatMap(
      ([, kind, name]) => {
        const exported = name!.replaceAll('.', '_');
        if (kind === 'Histogram') return ['bucket', 'sum', 'count'].map((series) => `${exported}_${series}`);
        return [kind?.endsWith('Counter') && !exported.endsWith('_total') ? `${exported}_total` : exported];
      },
    ),
  );
}

const filesIn = (dir: string): string[] =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.includes('generated'))
    .map((file) => join(dir, file));

describe('alerting rules and the dashboard', () => {
  const known = new Set([...ofTheServices(), ...OF_THE_EXPORTER, ...OF_PROMETHEUS]);

  it.each(rules.map(({ alert, expr }) => [alert, expr]))('%s asks for metrics that exist', (_, expr) => {
    const names = metricsIn(expr);
    expect(names).not.toEqual([]);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  });

  it('the dashboard shows metrics that exist', () => {
    const names = panelExpressions.flatMap(metricsIn);
    expect(names.length).toBeGreaterThan(15);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
  });

  it('every alert says how bad it is, what happened and what follows', () => {
    for (const { labels, annotations } of rules) {
      expect(['warning', 'critical']).toContain(labels.severity);
      expect(annotations.summary.length).toBeGreaterThan(20);
      expect(annotations.description.length).toBeGreaterThan(20);
    }
  });
});

describeWith(
  'promtool',
  'PROMTOOL_BIN',
  'https://prometheus.io/download',
)('alerting rules, by promtool', () => {
  const promtool = (...args: string[]) => run(find('promtool', 'PROMTOOL_BIN')!, args);

  it('are valid', async () => {
    expect(await promtool('check', 'rules', RULES_FILE)).toMatchObject({ code: 0 });
  });

  it('fire when they must, and not before', async () => {
    const tests = join(import.meta.dirname, 'fixtures/rules.test.yaml');
    expect(await promtool('test', 'rules', tests)).toMatchObject({ code: 0 });
  });
});
