import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '@pavane/tools';
import { Load } from './load.js';
import type { Profile } from './profiles.js';
import { warmUp } from './run.js';
import { Stand } from './stand.js';
import type { Variant } from './variants.js';

/** CPU time by where it is spent, most first; microseconds for each saga. */
export interface Where {
  sagasPerSecond: number;
  /** By service, then by package or by part of Node.js. */
  usPerSaga: Record<string, Record<string, number>>;
  /** The functions that take most, over all services. */
  functions: { name: string; where: string; usPerSaga: number }[];
}

/** A V8 CPU profile; times in microseconds of the machine's monotonic clock. */
interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  startTime: number;
  samples: number[];
  timeDeltas: number[];
}

const MOST_FUNCTIONS = 25;
const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

/** Samples every service while it is fully loaded. Sampling costs some speed itself, so the rate is not the capacity. */
export async function whereTimeGoes(
  variant: Variant,
  profile: Profile,
  { seconds, inFlight }: { seconds: number; inFlight: number },
): Promise<Where> {
  const dir = mkdtempSync(join(tmpdir(), 'pavane-profile-'));
  try {
    const sampled = { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${dir}` };
    const stand = await Stand.start(variant, profile, sampled);
    const names = new Map(Object.entries(stand.processes).map(([name, pid]) => [pid, name]));
    const { orders, took, from, to } = await loaded(stand, { seconds, inFlight });

    const functions = new Map<string, { name: string; where: string; usPerSaga: number }>();
    const usPerSaga: Where['usPerSaga'] = {};
    for (const file of readdirSync(dir)) {
      const service = names.get(Number(file.split('.')[3])) ?? file;
      const own: Record<string, number> = (usPerSaga[service] ??= {});
      for (const [{ functionName, url, lineNumber }, us] of selfTimes(read(join(dir, file)), from, to)) {
        const where = placeOf(functionName, url);
        own[where] = (own[where] ?? 0) + us / orders;
        const key = `${functionName} ${url}:${lineNumber}`;
        const one = functions.get(key) ?? {
          name: functionName || '(anonymous)',
          where: shortened(url, lineNumber),
          usPerSaga: 0,
        };
        one.usPerSaga += us / orders;
        functions.set(key, one);
      }
    }
    return {
      sagasPerSecond: orders / took,
      usPerSaga: Object.fromEntries(Object.entries(usPerSaga).map(([service, own]) => [service, mostFirst(own)])),
      functions: [...functions.values()].toSorted((a, b) => b.usPerSaga - a.usPerSaga).slice(0, MOST_FUNCTIONS),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** As people like to read it. */
export function describeWhere({ sagasPerSecond, usPerSaga, functions }: Where): string {
  const services = Object.keys(usPerSaga);
  const total = (of: Record<string, number>) => Object.values(of).reduce((sum, us) => sum + us, 0);
  const sums: Record<string, number> = {};
  for (const own of Object.values(usPerSaga))
    for (const [where, us] of Object.entries(own)) sums[where] = (sums[where] ?? 0) + us;
  const row = (label: string, of: (service: string) => number, sum: number) =>
    `  ${label.padEnd(40)}${services.map((service) => of(service).toFixed(0).padStart(14)).join('')}${sum.toFixed(0).padStart(10)}`;
  return [
    `  ${sagasPerSecond.toFixed(0)} sagas/s while every service was sampled; CPU time in µs for each saga`,
    `  ${''.padEnd(40)}${services.map((service) => service.padStart(14)).join('')}${'all'.padStart(10)}`,
    row('all', (service) => total(usPerSaga[service]!), total(sums)),
    ...Object.entries(mostFirst(sums))
      .slice(0, MOST_FUNCTIONS)
      .map(([where, sum]) => row(where, (service) => usPerSaga[service]![where] ?? 0, sum)),
    '',
    ...functions.map(({ name, where, usPerSaga: us }) => `  ${us.toFixed(1).padStart(8)}  ${name.padEnd(36)} ${where}`),
  ].join('\n');
}

/** Loads a platform and stops it: a process writes its samples when it ends. */
async function loaded(stand: Stand, { seconds, inFlight }: { seconds: number; inFlight: number }) {
  try {
    const load = await Load.on(stand.platform.addresses);
    try {
      await warmUp(stand, load);
      const from = nowUs();
      const { orders, settledSeconds } = await load.closed({ inFlight, seconds });
      return { orders, took: settledSeconds, from, to: nowUs() };
    } finally {
      await load.close();
    }
  } finally {
    await stand.stop({ keep: false });
  }
}

const read = (file: string): CpuProfile => JSON.parse(readFileSync(file, 'utf8')) as CpuProfile;

/** How long each function itself ran between two moments. */
function selfTimes({ nodes, startTime, samples, timeDeltas }: CpuProfile, from: number, to: number) {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<CpuProfile['nodes'][number]['callFrame'], number>();
  let at = startTime;
  samples.forEach((id, i) => {
    at += timeDeltas[i]!;
    const frame = frames.get(id)!;
    if (at < from || at > to || frame.functionName === '(idle)') return;
    // A sample stands for the time until the next one.
    times.set(frame, (times.get(frame) ?? 0) + (timeDeltas[i + 1] ?? 0));
  });
  return times;
}

/** The package a function belongs to; for what is no JavaScript the profiler's own word. */
function placeOf(functionName: string, url: string): string {
  if (url === '') return functionName.startsWith('(') ? functionName : 'built into V8';
  if (url.startsWith('node:')) return `Node.js ${url.slice(5).split('/').slice(0, 2).join('/')}`;
  const inPackage = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1];
  if (inPackage) return inPackage;
  const path = shortened(url, 0).split('/');
  return path.slice(0, 2).join('/');
}

const shortened = (url: string, line: number): string =>
  `${url.replace(`file://${ROOT}/`, '').replace(/.*node_modules\//, '')}${line > 0 ? `:${line + 1}` : ''}`;

const mostFirst = (of: Record<string, number>): Record<string, number> =>
  Object.fromEntries(Object.entries(of).toSorted(([, a], [, b]) => b - a));
