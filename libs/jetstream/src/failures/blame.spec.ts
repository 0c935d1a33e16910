import fc from 'fast-check';
import { Blame, type BlamePolicy } from './blame.js';
import { type Fate, type Outcome, simulate, type World } from '../testing/blame-simulation.js';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const POLICY: BlamePolicy = {
  maxAttempts: 5,
  concurrency: 4,
  backoff: { failed: { firstMs: 500, maxMs: 60_000 }, away: { firstMs: 1_000, maxMs: 10_000 } },
  giveUpAloneMs: HOUR,
  giveUpMs: 22 * HOUR,
};
/** No message waits longer behind failing ones: two rests of the longest pause, and its own back-off. */
const BOUND = 2 * MINUTE;

interface Draw {
  seed: number;
  instances: number;
  concurrency: number;
  gaps: number[];
}
const draw: fc.Arbitrary<Draw> = fc.record({
  seed: fc.integer({ min: 1, max: 2 ** 30 }),
  instances: fc.integer({ min: 1, max: 4 }),
  concurrency: fc.constantFrom(1, 2, 4, 16),
  gaps: fc.array(fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 20_000 })), {
    minLength: 2,
    maxLength: 60,
  }),
});
const kind = fc.constantFrom<Outcome>('failed', 'unavailable');

/** A reproducible stream of chance (Park and Miller). */
function chance(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

function worldOf({ seed, instances, concurrency, gaps }: Draw, outcome: World['outcome'], untilMs: number): World {
  const random = chance(seed);
  let at = 0;
  const arrivals = gaps.map((gap) => (at += gap));
  return {
    instances,
    policy: { ...POLICY, concurrency },
    arrivals,
    outcome,
    takesMs: () => 1 + Math.floor(random() * 30),
    random,
    untilMs: at + untilMs,
  };
}

const ends = (fates: readonly Fate[], among: (message: number) => boolean = () => true) => [
  ...new Set(fates.filter((_, message) => among(message)).map(({ end }) => end)),
];
const latest = (world: World, fates: readonly Fate[], among: (message: number) => boolean) =>
  Math.max(...fates.map(({ at }, message) => (among(message) ? at - world.arrivals[message]! : 0)));

/** Schedules are tried so many times more than usual. */
const MORE = Number(process.env['SCHEDULES'] ?? 1);
const check = <Ts>(property: fc.IProperty<Ts>, numRuns: number) => fc.assert(property, { numRuns: numRuns * MORE });

describe('a failure that everybody has', () => {
  const outages = fc.array(
    fc.record({ after: fc.integer({ min: 0, max: 5 * MINUTE }), lasts: fc.integer({ min: 1, max: 20 * MINUTE }) }),
    { minLength: 1, maxLength: 4 },
  );

  it('buries nobody, whatever it is and however often it comes back, and everybody is handled after it', () => {
    check(
      fc.property(draw, outages, kind, (d, list, as) => {
        let end = 0;
        const spans = list.map(({ after, lasts }) => {
          const from = end + after;
          return { from, to: (end = from + lasts) };
        });
        const world = worldOf(
          d,
          (_m, _i, at) => (spans.some(({ from, to }) => at >= from && at < to) ? as : 'handled'),
          end + 10 * MINUTE,
        );
        const fates = simulate(world);
        expect(ends(fates)).toEqual(['handled']);
        // Soon after it is over, not after the back-off of hours.
        expect(Math.max(...fates.map(({ at }) => at))).toBeLessThan(Math.max(end, world.arrivals.at(-1)!) + BOUND);
      }),
      600,
    );
  });

  it('buries nobody when it lasts almost as long as a message may lie in its stream', () => {
    check(
      fc.property(draw, kind, (d, as) => {
        const over = 21 * HOUR;
        const world = worldOf({ ...d, concurrency: 1 }, (_m, _i, at) => (at < over ? as : 'handled'), over + HOUR);
        expect(ends(simulate(world))).toEqual(['handled']);
      }),
      8,
    );
  });

  it('buries nobody when it comes and goes by the message', () => {
    check(
      fc.property(draw, fc.double({ min: 0.05, max: 0.4, noNaN: true }), (d, share) => {
        const luck = chance(d.seed + 1);
        const world = worldOf(d, () => (luck() < share ? 'failed' : 'handled'), HOUR);
        // A message that fails by chance five times, each time between two successes, is one in tens of thousands.
        expect(ends(simulate(world)).filter((end) => end !== 'handled')).toEqual([]);
      }),
      300,
    );
  });
});

describe('a failure that one instance has', () => {
  it('buries nobody: the others handle what it gave back', () => {
    check(
      fc.property(draw, kind, (d, as) => {
        const world = worldOf(
          { ...d, instances: Math.max(2, d.instances) },
          (_m, instance) => (instance === 0 ? as : 'handled'),
          HOUR,
        );
        expect(ends(simulate(world))).toEqual(['handled']);
      }),
      600,
    );
  });
});

describe('poison among healthy messages', () => {
  const poisons = fc.uniqueArray(fc.integer({ min: 0, max: 59 }), { minLength: 1, maxLength: 6 });
  /** Healthy messages keep coming for ten minutes. */
  const busy = draw.map((d) => ({ ...d, gaps: [...d.gaps, ...Array.from({ length: 300 }, () => 2 * SECOND)] }));

  it('is buried after as many attempts as are allowed, and nobody else is', () => {
    check(
      fc.property(busy, poisons, (d, list) => {
        const isPoison = (message: number) => list.includes(message);
        const world = worldOf(d, (message) => (isPoison(message) ? 'failed' : 'handled'), HOUR);
        const fates = simulate(world);
        expect(ends(fates, (m) => !isPoison(m))).toEqual(['handled']);
        expect(ends(fates, isPoison)).toEqual(['dead-lettered']);
        for (const [message, { starts, attempts }] of fates.entries())
          if (isPoison(message)) {
            expect(attempts!.starts).toBe(starts);
            expect(attempts!.counted).toBeGreaterThanOrEqual(POLICY.maxAttempts - 1);
          }
      }),
      300,
    );
  });

  it('makes nobody wait for it longer than two minutes', () => {
    check(
      fc.property(busy, poisons, kind, (d, list, as) => {
        const isPoison = (message: number) => list.includes(message);
        const world = worldOf(d, (message) => (isPoison(message) ? as : 'handled'), HOUR);
        expect(latest(world, simulate(world), (m) => !isPoison(m))).toBeLessThan(BOUND);
      }),
      300,
    );
  });

  it('is buried, and nobody else, when an outage comes in between', () => {
    check(
      fc.property(
        busy,
        poisons,
        fc.integer({ min: 0, max: 5 * MINUTE }),
        fc.integer({ min: 1, max: 5 * MINUTE }),
        kind,
        (d, list, from, lasts, as) => {
          const isPoison = (message: number) => list.includes(message);
          const world = worldOf(
            d,
            (message, _i, at) => (at >= from && at < from + lasts ? as : isPoison(message) ? 'failed' : 'handled'),
            2 * HOUR,
          );
          const fates = simulate(world);
          expect(ends(fates, (m) => !isPoison(m))).toEqual(['handled']);
          expect(ends(fates, isPoison)).toEqual(['dead-lettered']);
        },
      ),
      300,
    );
  });
});

describe('messages of which all fail', () => {
  it('are kept, and given up before the stream would drop them', () => {
    check(
      fc.property(draw, (d) => {
        const world = worldOf({ ...d, concurrency: 1 }, () => 'failed', 23 * HOUR);
        const fates = simulate(world);
        expect(ends(fates)).toEqual(['dead-lettered']);
        for (const [message, { at }] of fates.entries())
          expect(at - world.arrivals[message]!).toBeGreaterThanOrEqual(fates.length > 1 ? HOUR : 0);
      }),
      4,
    );
  });

  it('are given up after an hour when one is alone', () => {
    const world = worldOf({ seed: 7, instances: 2, concurrency: 4, gaps: [0] }, () => 'failed', 2 * HOUR);
    const [fate] = simulate(world);
    expect(fate!.end).toBe('dead-lettered');
    expect(fate!.at).toBeGreaterThanOrEqual(HOUR);
    expect(fate!.at).toBeLessThan(HOUR + MINUTE);
  });
});

describe('a durable', () => {
  const blame = () => new Blame(POLICY, () => 1);

  it('rests after as many failures in a row as it could have by chance, and probes after a pause', () => {
    const one = blame();
    const pauses = ['a', 'b', 'c', 'd', 'e', 'f'].map((message) => one.failed(message, 0).pauseMs);
    expect(pauses).toEqual([undefined, undefined, undefined, undefined, 1_000, undefined]);
    expect(one.appetite).toBe(0);
    // Longer than the pause, so that the next probe is of another message.
    expect(one.wait('failed', 1)).toEqual({ waitMs: 2_000, stays: true });
    one.probe();
    expect(one.appetite).toBe(1);
    expect(one.unavailable('g', 0).pauseMs).toBe(2_000);
    one.probe();
    expect(one.succeeded('h', 0).resumed).toBe(true);
    expect(one.appetite).toBe(Number.POSITIVE_INFINITY);
  });

  it('rests when a single message fails again and again and nothing else comes', () => {
    const one = blame();
    one.succeeded('a', 0);
    expect([1, 2, 3, 4].map((n) => one.failed('b', 500 * n).pauseMs)).toEqual(Array(4).fill(undefined));
    expect(one.failed('b', 2_500).pauseMs).toBe(1_000);
  });

  it('does not rest when many come back that failed before, as long as others succeed', () => {
    const one = blame();
    const poisons = Array.from({ length: 40 }, (_, n) => `p${n}`);
    for (const poison of poisons) {
      one.failed(poison, 0);
      one.succeeded('other', 0);
    }
    expect(poisons.map((poison) => one.failed(poison, 900).pauseMs)).toEqual(Array(40).fill(undefined));
    expect(one.succeeded('another', 900).convicted).toEqual(poisons);
  });

  it('goes on while others succeed, and only the message that failed waits', () => {
    const one = blame();
    for (let n = 0; n < 100; n++) {
      expect(one.unavailable('its own provider is away', n).pauseMs).toBeUndefined();
      one.succeeded(`other ${n}`, n);
    }
    expect(one.wait('away', 1)).toEqual({ waitMs: 1_000, stays: false });
  });

  it('holds a failure against a message only between two successes of others', () => {
    const one = blame();
    expect(one.failed('first', 0).afterSuccess).toBe(false);
    expect(one.succeeded('a', 0).convicted).toEqual([]);
    expect(one.failed('poison', 0).afterSuccess).toBe(true);
    expect(one.succeeded('b', 0).convicted).toEqual(['poison']);
    one.failed('poison', 0);
    one.failed('c', 0);
    // What failed for the first time in between may have been the service: it speaks for the poison, and against itself.
    expect(one.succeeded('d', 0).convicted).toEqual(['c']);
    one.failed('poison', 0);
    expect(one.succeeded('poison', 0).convicted).toEqual([]);
  });
});
