import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, SERVICES } from '@pavane/tools';
import { machineLine } from './machine.js';
import type { Growth } from './saga/growth.js';
import { describeSaga, type SagaReport } from './saga/index.js';
import { describeWhere, type Where } from './saga/where.js';
import { describeStart, type StartReport } from './start.js';
import { describeTransport, type TransportReport } from './transport/index.js';

const PAGE = join(ROOT, 'docs/performance.md');
const MEASURED = /(<!-- measured -->\n)[\s\S]*?(\n<!-- \/measured -->)/;

interface Measured {
  saga: SagaReport;
  transport: TransportReport;
  start: StartReport;
  where: Where;
}

/** Writes what was measured into the page about performance, between its marks; returns where. */
export function writePage(all: Measured): string {
  const { saga, transport, start, where } = all;
  const page = readFileSync(PAGE, 'utf8');
  if (!MEASURED.test(page)) throw new Error(`${PAGE} has lost the marks that its figures stand between.`);
  const measured = [
    `On ${machineLine(saga.machine)}; ${saga.settings.rounds} rounds.`,
    '',
    ...targets(all),
    '',
    '![Bars for each variant](performance.svg)',
    '',
    ...fenced('The saga', describeSaga(saga)),
    ...fenced('The transport', describeTransport(transport)),
    ...fenced('The start', describeStart(start)),
    ...fenced('Where the time goes', describeWhere(where)),
  ];
  writeFileSync(
    PAGE,
    page.replace(MEASURED, (_, open: string, close: string) => `${open}${measured.join('\n').trimEnd()}${close}`),
  );
  return PAGE;
}

/** What is to be reached, beside what was. */
function targets({ saga, transport: { ratios, overheadUs }, start }: Measured): string[] {
  const { ours } = saga.profiles[saga.headline]!.variants;
  const atRestMb = Math.max(...SERVICES.map((service) => ours?.rssAtRestMb[service] ?? 0));
  const row = (what: string, goal: string, measured: number | null | undefined, reached: (figure: number) => boolean) =>
    measured === null || measured === undefined
      ? `| ${what} | ${goal} | not measured | |`
      : `| ${what} | ${goal} | ${measured} | ${reached(measured) ? 'yes' : 'no'} |`;
  const atLeast = (what: string, least: number, measured: number | null | undefined) =>
    row(what, `≥ ${least}`, rounded(measured), (figure) => figure >= least);
  const atMost = (what: string, most: number, measured: number | undefined) =>
    row(what, `≤ ${most}`, rounded(measured), (figure) => figure <= most);
  return [
    '| | to reach | measured | reached |',
    '|---|---:|---:|---|',
    atLeast(`sagas/s over the textbook (${saga.headline})`, 8, saga.ratios.textbook),
    atLeast(`sagas/s over the floor (${saga.headline})`, 0.5, saga.ratios.floor),
    atMost('ms to the ending at 20 % load, p50', 25, saga.p50Ms),
    atMost('ms to the ending at 20 % load, p99', 80, saga.p99Ms),
    atMost('MB a service at rest, the largest', 130, atRestMb),
    atMost('CPU of a saga beside the most stored orders over that beside the fewest', 1.1, costGrowthOf(saga.growth)),
    atMost('MB a service with the longest backlog over that with the shortest', 1.1, memoryGrowthOf(saga.growth)),
    atMost(
      's until a service is ready, the slowest',
      2,
      Math.max(...SERVICES.map((one) => start.service[one]!.median)),
    ),
    atMost('s from npm start to the first confirmed order, warm', 10, start.firstOrder.warm.median),
    atLeast('events/s over the bare loop', 0.9, ratios.bareEvents),
    atLeast('events/s over the best peer', 1.4, ratios.bestPeerEvents),
    atLeast('requests/s over the bare client', 0.95, ratios.bareRequests),
    `| CPU of an event above the bare loop, µs | | ${rounded(overheadUs)} | |`,
  ];
}

function costGrowthOf(growth: Growth | undefined): number | undefined {
  const costs = growth?.stored.map(({ cpuPer1000 }) => cpuPer1000);
  return costs && costs.at(-1)! / costs[0]!;
}

/** Of the service whose memory grows most. */
function memoryGrowthOf(growth: Growth | undefined): number | undefined {
  const sizes = growth?.backlog.map(({ rssMb }) => rssMb);
  return sizes && Math.max(...Object.entries(sizes.at(-1)!).map(([name, rss]) => rss / sizes[0]![name]!));
}

const rounded = <T extends number | null | undefined>(figure: T): T =>
  (typeof figure === 'number' ? Number(figure.toPrecision(3)) : figure) as T;

const fenced = (title: string, text: string): string[] => [`## ${title}`, '', '```text', text, '```', ''];
