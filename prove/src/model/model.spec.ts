import { KINDS } from './coverage.js';
import { kept, replay, runModel } from './model.js';
import { modelledDurables } from './modelled.js';
import { play } from './run.js';
import { type Sabotage, SABOTAGES } from './sabotage.js';
import type { Scenario } from './scenario.js';

const SEEDS = 10_000;
/** Of the reachable cells, how many 10,000 seeds must have reached. */
const LEAST_SHARE = 0.95;
const ENOUGH_TO_CATCH = 1000;

const calm: Scenario = {
  seed: 1,
  wishes: [{ items: [{ sku: 'TEAPOT', quantity: 2 }], card: 'ok', mailbox: 'ok', cancels: false }],
  stock: { TEAPOT: 2, KETTLE: 1 },
  instances: 1,
  steps: 0,
  faults: 0,
  trouble: 0,
  idling: 1,
  sweeper: false,
};
const endingOf = (scenario: Scenario) => {
  const { violation, world } = play(scenario);
  return [violation, [...world.order.rows.values()].map(({ order }) => order.reason ?? order.status)];
};

describe('the saga in memory', () => {
  it(`keeps every promise under ${SEEDS} seeds, in every way of reaching every handler`, () => {
    const { runs, failures, coverage } = runModel({ seeds: SEEDS, firstSeed: 1 });
    expect(failures).toEqual([]);
    expect(runs).toBe(SEEDS);

    const unreached = modelledDurables.flatMap(({ durable }) =>
      KINDS.filter((kind) => coverage.count(durable, kind) === 0).map((kind) => `${durable}: ${kind}`),
    );
    expect(unreached).toEqual([]);
    const reachable = coverage.cells.filter(({ impossible }) => !impossible).length;
    expect(coverage.missing.length).toBeLessThanOrEqual(reachable * (1 - LEAST_SHARE));
  }, 180_000);

  it('keeps every promise under seeds that once failed', () => {
    expect(kept().flatMap((failure) => replay(failure) ?? [])).toEqual([]);
  });

  it('gives the same run for the same seed', () => {
    const told = () => {
      const lines: string[] = [];
      play(
        { ...calm, seed: 7, steps: 200, faults: 20, trouble: 25, instances: 2 },
        { tell: (line) => lines.push(line) },
      );
      return lines;
    };
    expect(told()).toEqual(told());
  });
});

describe('without faults', () => {
  it('confirms an order that can be paid and served', () => {
    expect(endingOf(calm)).toEqual([undefined, ['confirmed']]);
  });

  it('cancels an order whose payment is declined', () => {
    const [wish] = calm.wishes;
    expect(endingOf({ ...calm, wishes: [{ ...wish!, card: 'declined' }] })).toEqual([undefined, ['payment_failed']]);
  });

  it('cancels an order whose payment is slower than its deadline', () => {
    const [wish] = calm.wishes;
    expect(endingOf({ ...calm, wishes: [{ ...wish!, card: 'slow' }] })).toEqual([undefined, ['deadline_passed']]);
  });

  it('ends an order as its customer pays in time at the bank, or not', () => {
    const [wish] = calm.wishes;
    const endings = Array.from({ length: 20 }, (_, seed) =>
      endingOf({ ...calm, seed, wishes: [{ ...wish!, card: '3ds' }] }),
    );
    expect(endings.filter(([violation]) => violation)).toEqual([]);
    expect(new Set(endings.flatMap(([, ending]) => ending))).toEqual(new Set(['confirmed', 'deadline_passed']));
  });

  it('confirms one of two orders that want the same last pieces', () => {
    const [violation, endings] = endingOf({ ...calm, wishes: [calm.wishes[0]!, calm.wishes[0]!] });
    expect(violation).toBeUndefined();
    expect([...(endings as string[])].sort()).toEqual(['confirmed', 'out_of_stock']);
  });
});

describe('the model sees what is broken', () => {
  it.each(Object.entries(SABOTAGES))('%s: %s', (sabotage) => {
    const { failures } = runModel({
      seeds: ENOUGH_TO_CATCH,
      firstSeed: 1,
      sabotage: sabotage as Sabotage,
      enough: 1,
      shrink: false,
    });
    expect(failures).toHaveLength(1);
  });

  it('makes a failing run as small as it can, and that fails again', () => {
    const sabotage = 'no-stock-check';
    const [failure] = runModel({ seeds: ENOUGH_TO_CATCH, firstSeed: 1, sabotage, enough: 1 }).failures;
    expect(failure!.scenario.wishes).toHaveLength(1);
    expect(failure!.scenario.steps).toBe(0);
    expect(play(failure!.scenario, { sabotage }).violation).toBe(failure!.violation);
  });
});
