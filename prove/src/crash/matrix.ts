import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { durables, type EventType, heardBy, saga, saidBy, type Service } from '@pavane/contracts';
import { SERVICES } from '@pavane/tools';
import { QUICK, SLOW } from '../clients.js';
import type { Fault } from '../faults/fault.js';
import { notModelled } from '../model/modelled.js';
import type { Random } from '../random.js';
import type { Scene } from '../scene.js';

/** One cell of the crash matrix: a service that dies at a seam. */
export interface Cell {
  service: Service;
  point: string;
  of: string;
  /** From each death there to being ready again, in milliseconds. */
  recoveriesMs: number[];
}

export interface MatrixOptions {
  /** How often each cell is visited; after the first time, at the second or third passing of the seam. */
  rounds: number;
  /** Customers a second. */
  perSecond: number;
  /** Only cells whose `service point of` contains this. */
  only?: string | undefined;
  /** Instead of all cells one for each point, or one for each point of each service, drawn by the seed. */
  sample?: 'point' | 'service and point' | undefined;
  onCell(cell: Cell, done: number, all: number): void;
}

/** How long customers keep coming until a seam is reached. */
const REACHED_WITHIN_MS = 60_000;
/** Four services die and start all the time: on a small machine more customers would be a crowd that never shrinks. */
const MOST_WAITING = 60;
/** A message that its process died with five times is a suspect, and innocents must not become that by our hand. */
const DEATHS_IN_A_ROW = 3;
/** How long a service may take to handle what died with it: `ack_wait`, and slow cards. */
const HANDLED_WITHIN_MS = 60_000;
/** Visits of a service that may be in vain and are made again: a seam that is never reached must not take for ever. */
const MOST_MISSED = 5;
/** The slow ones are few: they stay until their deadline. */
const WISHES = [...QUICK, ...QUICK, ...QUICK, ...SLOW];

/**
 * The crash matrix as a fault of its own: every service is killed at every seam it has, the four side by side, while
 * customers keep coming. `cells` fills up while it is played.
 */
export function crashMatrix({ rounds, perSecond, only, sample, onCell }: MatrixOptions): Fault & { cells: Cell[] } {
  let dir: string;
  const fault: Fault & { cells: Cell[] } = {
    name: 'crash-matrix',
    about: 'SIGKILL of every service at every seam between two effects',
    cells: [],
    stage({ settings }) {
      ({ dir } = settings);
      return {
        settings: {
          orderDeadline: '4s',
          slowChargeMs: 6000,
          env: Object.fromEntries(SERVICES.map((service) => [service, { SEAMS_FILE: seamsFile(dir, service) }])),
        },
        options: { injectable: true },
        wishes: WISHES,
        perSecond: 0,
      };
    },
    async run(scene) {
      await reachEverySeam(scene, dir);
      const all = seamsOf(dir).filter(({ service, point, of }) => !only || `${service} ${point} ${of}`.includes(only));
      fault.cells = sample ? sampleOf(all, sample, scene.random) : all;
      const releases = new Releases(scene);
      if (fault.cells.length === 0) throw new Error(`no seam is called "${only}"`);
      const stopComing = scene.clients.keepComing(perSecond, MOST_WAITING);
      let done = 0;
      await Promise.all(
        SERVICES.map(async (service) => {
          const own = fault.cells.filter((one) => one.service === service);
          const visits = Array.from({ length: rounds }, (_, round) =>
            own.map((cell) => ({ cell, nth: round === 0 ? 1 : scene.random.int(1, 3) })),
          ).flat();
          let missed = 0;
          let deaths = 0;
          // What is not reached is visited again at the end, when others die elsewhere: a slow machine is no violation.
          for (const { cell, nth } of visits) {
            const reached = await crash(scene, cell, nth, releases);
            if (!reached && missed++ < MOST_MISSED) visits.push({ cell, nth: 1 });
            else onCell(cell, ++done, fault.cells.length * rounds);
            if (++deaths % DEATHS_IN_A_ROW === 0) await handled(scene, service);
          }
        }),
      ).finally(stopComing);
      for (const { service, point, of, recoveriesMs } of fault.cells)
        if (recoveriesMs.length < rounds)
          scene.violations.push(`${service} was not killed at "${point} ${of}": the seam was not reached again`);
    },
  };
  return fault;
}

const seamsFile = (dir: string, service: Service): string => join(dir, `seams-${service}`);

/** Lets customers in until every path of the saga was walked and all has come to rest, before anything is killed. */
async function reachEverySeam(scene: Scene, dir: string): Promise<void> {
  const releases = new Releases(scene);
  await scene.until(
    'every row of the saga table reached',
    async () => {
      scene.clients.sendEach();
      await releases.provoke();
      await delay(1000);
      const missing = unreached(seamsOf(dir));
      if (missing.length > 0) throw new Error(`missing: ${missing.join(', ')}`);
      return true;
    },
    60_000,
  );
  await scene.rests();
}

/** Seams that only a failure leads to. Faults of their own are played there: waiting-room, and dead-letter-sigkill. */
const OF_FAILURES = new Set(['parked', 'copied']);

/** Every seam the services were seen to reach, and reach again and again. */
const seamsOf = (dir: string): Cell[] =>
  SERVICES.filter((service) => existsSync(seamsFile(dir, service))).flatMap((service) =>
    readFileSync(seamsFile(dir, service), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line): Cell => {
        const [point, of] = line.split(' ') as [string, string];
        return { service, point, of, recoveriesMs: [] };
      })
      .filter(({ point }) => !OF_FAILURES.has(point)),
  );

/** Rows of the saga table, and events it says, that no seam tells of: a participant nobody exercises is not proven. */
function unreached(cells: readonly Cell[]): string[] {
  const reached = new Set(cells.map(({ service, of }) => `${service} ${of}`));
  // Nobody here knows what brings about which answer of a service without a model: one of each row is enough.
  const others = notModelled.flatMap((service) =>
    Object.values<readonly EventType[]>(saga[service])
      .filter((answers) => answers.some((answer) => reached.has(`${service} ${answer}`)))
      .flatMap((answers) => [
        ...answers.map((answer) => `${service} ${answer}`),
        ...durables.filter(({ event }) => answers.includes(event)).map((heard) => `${heard.service} ${heard.durable}`),
      ]),
  );
  return (
    SERVICES.flatMap((service) => [
      ...heardBy(service).map((event) => `${service} ${service}_${event.replace('.', '-')}`),
      ...saidBy(service).map((event) => `${service} ${event === 'timers.deadline' ? 'timers.schedule' : event}`),
    ])
      .filter((seam) => !reached.has(seam))
      .filter((seam) => !others.includes(seam))
      // Only a refused mail leads there, and no customer of ours is refused.
      .filter((seam) => !/notifications?[.-]failed/.test(seam))
  );
}

/** One cell for each point, the services in turn; or one for each point of each service. */
function sampleOf(cells: readonly Cell[], by: NonNullable<MatrixOptions['sample']>, random: Random): Cell[] {
  const points = [...Map.groupBy(cells, ({ point }) => point).values()];
  return points.flatMap((some, i) => {
    const services = [...Map.groupBy(some, ({ service }) => service).values()];
    if (by === 'service and point') return services.map((own) => random.pick(own));
    return services.find(([first]) => first?.service === SERVICES[i % SERVICES.length])?.[0] ?? some[0]!;
  });
}

/**
 * Has stock released now and again, which takes an order that passes its deadline while its reservation is not yet heard
 * of: rare by itself.
 */
class Releases {
  #until = 0;
  constructor(private readonly scene: Scene) {}

  async provoke(): Promise<void> {
    if (Date.now() < this.#until) return;
    this.#until = Date.now() + 8000;
    const jsm = await this.scene.jsm();
    await jsm.consumers.pause('SAGA', 'order_inventory-reserved', new Date(Date.now() + 5000));
  }
}

/** Resolves to whether the service came to the seam and died there. */
async function crash(scene: Scene, cell: Cell, nth: number, releases: Releases): Promise<boolean> {
  const child = scene.platform.services.get(cell.service)!;
  await child.stop();
  const { deaths } = child;
  // What waited for it may kill it before it is ready.
  await child.start({ CRASH_AT: `${cell.point}:${cell.of}:${nth}` });
  const deadline = Date.now() + REACHED_WITHIN_MS;
  while (child.deaths === deaths && Date.now() < deadline) {
    if (cell.of.includes('released')) await releases.provoke();
    await delay(20);
  }
  if (child.deaths === deaths) return false;
  scene.kills.services++;
  const died = performance.now();
  await child.ready();
  cell.recoveriesMs.push(Math.round(performance.now() - died));
  return true;
}

/** Resolves when the service has handled every message that was ever delivered to it before now. */
async function handled(scene: Scene, service: Service): Promise<void> {
  const jsm = await scene.jsm();
  const listening = durables.filter((one) => one.service === service);
  const before = await Promise.all(listening.map(({ stream, durable }) => jsm.consumers.info(stream, durable)));
  await scene.until(
    `${service} has handled what died with it`,
    async () => {
      const now = await Promise.all(listening.map(({ stream, durable }) => jsm.consumers.info(stream, durable)));
      return now.every(({ ack_floor }, i) => ack_floor.stream_seq >= before[i]!.delivered.stream_seq);
    },
    HANDLED_WITHIN_MS,
  );
}
