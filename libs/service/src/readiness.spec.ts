import { Readiness } from './readiness.js';

const UP = { ok: true, broker: 'up', bound: true, problems: [] } as const;
const DOWN = { ok: false, broker: 'down', bound: true, problems: ['not reached'] } as const;

describe('a service', () => {
  it('is ready when database and broker are there', async () => {
    expect(await check({})).toEqual({ status: 'ready', reasons: [], findings: [] });
  });

  it('is unready without its database, whatever the broker', async () => {
    expect(await check({ database: 'refused' })).toMatchObject({ status: 'unready', reasons: ['database: refused'] });
    expect(await check({ database: 'refused', needsBroker: false })).toMatchObject({ status: 'unready' });
  });

  it('is unready without the broker when it needs it', async () => {
    expect(await check({ broker: DOWN, everBound: true })).toMatchObject({
      status: 'unready',
      reasons: ['broker: not reached'],
    });
  });

  it('is ready without the broker when it can accept work alone, but only after the first binding', async () => {
    expect(await check({ broker: DOWN, needsBroker: false, everBound: false })).toMatchObject({ status: 'unready' });
    expect(await check({ broker: DOWN, needsBroker: false, everBound: true })).toMatchObject({
      status: 'ready',
      reasons: [],
    });
  });

  it('is unready while it stops', async () => {
    expect(await check({ draining: true })).toMatchObject({ status: 'unready' });
  });

  it('is unready while its clock is far from another, and says how far', async () => {
    const sentence = 'it is 300.0 s ahead of that of the broker, and 5 s are allowed; set both by NTP';
    expect(await check({ clocks: [sentence] })).toMatchObject({ status: 'unready', reasons: [`clock: ${sentence}`] });
  });

  it('is ready while a consumer rests, and says so: whoever is at fault, unready would not mend it', async () => {
    const findings = ["Consumer 'd' rests since 3 s, because nothing of it succeeds"];
    expect(await check({ findings })).toEqual({ status: 'ready', reasons: [], findings });
  });

  it('asks the database once for many probes at a time', async () => {
    let asked = 0;
    const readiness = make({ problem: async () => void asked++ });
    await Promise.all([readiness.check(), readiness.check(), readiness.check()]);
    expect(asked).toBe(1);
  });
});

interface Case {
  database?: string;
  broker?: typeof UP | typeof DOWN;
  everBound?: boolean;
  needsBroker?: boolean;
  draining?: boolean;
  clocks?: string[];
  findings?: string[];
  problem?: () => Promise<undefined>;
}

function make({
  database,
  broker = UP,
  everBound = true,
  needsBroker = true,
  draining = false,
  clocks = [],
  findings = [],
  problem,
}: Case): Readiness {
  return new Readiness(
    { problem: problem ?? (async () => database) },
    { check: () => ({ ...broker, problems: [...broker.problems], findings }), everBound },
    { problems: clocks },
    { isDraining: draining },
    needsBroker,
  );
}

function check(given: Case) {
  return make(given).check();
}
