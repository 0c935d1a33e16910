import { readFileSync } from 'node:fs';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { heardBy, saidBy, type Service } from '@pavane/contracts';
import type { LocalPlatform } from '../local/platform.js';
import { SERVICES } from '../local/settings.js';
import type { Clients } from './clients.js';

/** One cell of the crash matrix: a service that dies at a seam. */
export interface Cell {
  service: Service;
  point: string;
  of: string;
  /** From the death to being ready again; absent when the seam was not reached in time. */
  recoveredInMs?: number;
}

/** How long customers keep coming until a seam is reached. */
const REACHED_WITHIN_MS = 60_000;

export const seamsFile = (dir: string, service: Service): string => join(dir, `seams-${service}`);

/**
 * Every seam the services were seen to reach. Throws when a row of the saga table, or an event it says, is not among them:
 * a participant nobody exercises must not pass for proven.
 */
export function cellsOf(dir: string): Cell[] {
  const cells = SERVICES.flatMap((service) =>
    readFileSync(seamsFile(dir, service), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => {
        const [point, of] = line.split(' ') as [string, string];
        return { service, point, of };
      }),
  );
  const reached = new Set(cells.map(({ service, of }) => `${service} ${of}`));
  const missing = SERVICES.flatMap((service) => [
    ...heardBy(service).map((event) => `${service} ${service}_${event.replace('.', '-')}`),
    ...saidBy(service).map((event) => `${service} ${event === 'timers.deadline' ? 'timers.schedule' : event}`),
  ]).filter((seam) => !reached.has(seam));
  const rare = missing.filter((seam) => !/notifications?[.-]failed/.test(seam));
  if (rare.length > 0) throw new Error(`the customers' orders never reached: ${rare.join(', ')}`);
  return cells;
}

/**
 * Keeps order from hearing of reservations for so long that orders pass their deadline with stock set aside: the only way to
 * a release, and rare by itself.
 */
export async function holdReservations(platform: LocalPlatform, ms: number): Promise<void> {
  const nc = await connect({ servers: platform.addresses.nats });
  try {
    const jsm = await jetstreamManager(nc);
    await jsm.consumers.pause('SAGA', 'order_inventory-reserved', new Date(Date.now() + ms));
  } finally {
    await nc.close();
  }
}

/** Kills every service at every seam it has, the four side by side, while customers keep ordering. */
export async function crashEverywhere(
  platform: LocalPlatform,
  clients: Clients,
  cells: readonly Cell[],
  onCell: (cell: Cell) => void,
): Promise<void> {
  await Promise.all(
    SERVICES.map(async (service) => {
      for (const cell of cells.filter((one) => one.service === service)) {
        await crash(platform, clients, cell);
        onCell(cell);
      }
    }),
  );
}

async function crash(platform: LocalPlatform, clients: Clients, cell: Cell): Promise<void> {
  const child = platform.services.get(cell.service)!;
  await child.stop();
  const { deaths } = child;
  // What waited for it may kill it before it is ready.
  await child.start({ CRASH_AT: `${cell.point}:${cell.of}:1` });
  const deadline = Date.now() + REACHED_WITHIN_MS;
  for (let round = 0; child.deaths === deaths && Date.now() < deadline; round++) {
    if (round % 60 === 0 && cell.of.includes('released')) await holdReservations(platform, 5000);
    if (round % 10 === 0) clients.send(7);
    await delay(100);
  }
  if (child.deaths === deaths) return;
  const died = performance.now();
  await child.ready();
  cell.recoveredInMs = Math.round(performance.now() - died);
}
