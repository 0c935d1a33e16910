import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  freePorts,
  localAddresses,
  place,
  PORTS,
  type PortName,
  type Progress,
  read,
  ROOT,
  SERVICES,
} from '@pavane/tools';
import { freePort } from '@pavane/testing/servers';
import { type Figure, figureOf, rounded } from './figure.js';
import { describeMachine, type Machine, machineLine } from './machine.js';
import { profiles } from './saga/profiles.js';
import { Stand } from './saga/stand.js';
import { variants } from './saga/variants.js';

/** Far more than a start takes, so that one that hangs is told and not waited for. */
const CONFIRMED_WITHIN_MS = 180_000;
const LOOK_EVERY_MS = 20;

/** How long it takes to start, in seconds. */
export interface StartReport {
  /** From the start of a process to its answer that it is ready, one at a time beside a platform that runs. */
  service: Record<string, Figure>;
  /** From `npm start` in a clone that is installed and built to the first confirmed order: on an empty directory, and again. */
  firstOrder: { cold: number; warm: Figure };
  settings: { rounds: number };
  machine: Machine;
}

export async function benchStart({ rounds, progress }: { rounds: number; progress: Progress }): Promise<StartReport> {
  const service = await progress(`each service is started, ${rounds} times`, () => serviceStarts(rounds));
  const dir = mkdtempSync(join(tmpdir(), 'pavane-start-'));
  // PostgreSQL may run under an account of its own, which has to get in.
  chmodSync(dir, 0o755);
  const cold = await progress('npm start for the first time, to the first order', () => untilFirstOrder(dir));
  const warm: number[] = [];
  for (let round = 0; round < rounds; round++)
    warm.push(await progress(`npm start again, ${round + 1}/${rounds}`, () => untilFirstOrder(dir)));
  rmSync(dir, { recursive: true });
  return {
    service,
    firstOrder: { cold: rounded(cold, 2), warm: figureOf(warm, 2) },
    settings: { rounds },
    machine: describeMachine(tmpdir()),
  };
}

/** As a person likes to read it. */
export function describeStart({ service, firstOrder: { cold, warm }, settings, machine }: StartReport): string {
  const line = (label: string, { median, byRound }: Figure) =>
    `  ${label.padEnd(44)}${median.toFixed(2).padStart(8)}   (${byRound.join(', ')})`;
  return [
    `  ${machineLine(machine)}`,
    `  seconds, medians of ${settings.rounds} rounds`,
    '',
    ...Object.entries(service).map(([name, figure]) => line(`${name}, from its start until it is ready`, figure)),
    line('npm start to the first confirmed order', warm),
    `  ${'the same on an empty directory'.padEnd(44)}${cold.toFixed(2).padStart(8)}`,
  ].join('\n');
}

/** A second instance of each service, so that what it finds is a platform at rest. */
async function serviceStarts(rounds: number): Promise<StartReport['service']> {
  const stand = await Stand.start(
    variants.find(({ name }) => name === 'ours')!,
    profiles.r1,
  );
  try {
    const seconds = Object.fromEntries(SERVICES.map((service) => [service, [] as number[]]));
    const port = await freePort();
    for (let round = 0; round < rounds; round++) {
      for (const service of SERVICES) {
        const instance = stand.platform.serviceProcess(service, port, `${service}-started`);
        const began = performance.now();
        await instance.start();
        seconds[service]!.push((performance.now() - began) / 1000);
        await instance.stop();
      }
    }
    return Object.fromEntries(Object.entries(seconds).map(([service, all]) => [service, figureOf(all, 2)]));
  } finally {
    await stand.stop({ keep: false });
  }
}

/** Seconds from `npm start` on what `dir` holds to a confirmed order; everything is stopped again. */
async function untilFirstOrder(dir: string): Promise<number> {
  const ports = await freePorts();
  const env = Object.fromEntries(
    Object.entries(PORTS).map(([name, { variable }]) => [variable, `${ports[name as PortName]}`]),
  );
  const began = performance.now();
  const started = spawn('npm', ['start', '--silent', '--', '--no-demo'], {
    cwd: ROOT,
    env: { ...process.env, ...env, PLATFORM_DIR: dir },
    stdio: 'ignore',
    // A group of its own, to be ended as a terminal does: npm does not pass a Ctrl-C on.
    detached: true,
  });
  const ended = once(started, 'exit');
  try {
    await firstOrder(localAddresses(ports).http.order, started);
    return (performance.now() - began) / 1000;
  } finally {
    if (started.exitCode === null) process.kill(-started.pid!, 'SIGINT');
    await ended;
  }
}

async function firstOrder(url: string, started: ChildProcess): Promise<void> {
  const deadline = performance.now() + CONFIRMED_WITHIN_MS;
  const until = async (holds: () => Promise<boolean>): Promise<void> => {
    while (!(await holds())) {
      if (started.exitCode !== null) throw new Error(`npm start ended with ${started.exitCode}`);
      if (performance.now() > deadline) throw new Error(`no order was confirmed in ${CONFIRMED_WITHIN_MS / 1000} s`);
      await delay(LOOK_EVERY_MS);
    }
  };
  const answers = (): Promise<boolean> =>
    fetch(`${url}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  await until(answers);
  const { id } = await place(url, { items: [{ sku: 'TEAPOT', quantity: 1 }], paymentMethod: 'card_ok' });
  await until(async () => (await read(url, id)).status === 'confirmed');
}
