import { readFileSync } from 'node:fs';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '@pavane/testing/servers';
import { Client } from 'pg';
import { main, UsageError } from './cli/command.js';
import { printed } from './cli/progress.js';
import { place } from './demo/client.js';
import { LocalPlatform } from './local/platform.js';
import { localSettings, type PortName } from './local/settings.js';

await main({
  usage: 'npm run bench -- saga [--orders N] [--rate N] [--json]',
  about:
    'Measures the whole saga, from POST /orders to the ending: load generator, services, broker and database on this machine.',
  options: {
    orders: { type: 'string', default: '2000' },
    rate: { type: 'string', default: '20' },
    json: { type: 'boolean' },
  },
  help: {
    '--orders N': 'orders of the throughput run (default 2000), 64 outstanding',
    '--rate N': 'orders a second of the latency run, which lasts 20 s (default 20)',
    '--json': 'print one JSON object as the last line',
  },
  async run({ orders, rate, json }, [what, ...rest]) {
    const [count, perSecond] = [Number(orders), Number(rate)];
    if (what !== 'saga' || rest.length > 0) throw new UsageError('say saga');
    if (!(count > 0) || !(perSecond > 0)) throw new UsageError('--orders and --rate take positive numbers');
    const dir = mkdtempSync(join(tmpdir(), 'pavane-bench-'));
    const settings = { ...localSettings(), dir, orderDeadline: '10m' };
    for (const port of Object.keys(settings.ports) as PortName[]) settings.ports[port] = await freePort();
    const started = performance.now();
    const platform = await LocalPlatform.start(settings, { progress: printed });
    const startSeconds = (performance.now() - started) / 1000;
    const url = platform.addresses.http.order;
    const client = new Client({ connectionString: platform.addresses.databases.order });
    await client.connect();
    try {
      await measure(200, (placeOne) => outstanding(200, 16, placeOne), url, client);
      const memory = () => Object.fromEntries([...platform.services].map(([name, child]) => [name, rssOf(child.pid!)]));
      const rssAtRest = memory();
      const latency = await printed(`${perSecond} orders a second for 20 s`, () =>
        measure(perSecond * 20, (placeOne) => openLoop(perSecond * 20, perSecond, placeOne), url, client),
      );
      const throughput = await printed(`${count} orders, 64 outstanding`, () =>
        measure(count, (placeOne) => outstanding(count, 64, placeOne), url, client),
      );
      const result = {
        sagasPerSecond: throughput.perSecond,
        p50Ms: latency.p50,
        p99Ms: latency.p99,
        rate: perSecond,
        startSeconds,
        rssAtRestMb: rssAtRest,
        rssAfterMb: memory(),
      };
      if (json) console.log(JSON.stringify(result));
      else
        console.log(
          `  ${result.sagasPerSecond} sagas/s · at ${perSecond}/s p50 ${result.p50Ms} ms, p99 ${result.p99Ms} ms · start ${startSeconds.toFixed(1)} s · RSS (MB) at rest ${JSON.stringify(rssAtRest)}, after ${JSON.stringify(result.rssAfterMb)}`,
        );
      return 0;
    } finally {
      await client.end();
      await platform.stop();
      rmSync(dir, { recursive: true, force: true });
    }
  },
});

type PlaceOne = () => Promise<void>;

/** Places orders and waits until all have ended; latencies go from before the POST to the commit of the ending. */
async function measure(count: number, load: (placeOne: PlaceOne) => Promise<void>, url: string, client: Client) {
  const begun = new Map<string, number>();
  const start = Date.now();
  await load(async () => {
    const at = Date.now();
    begun.set((await place(url, { items: [{ sku: 'TEAPOT', quantity: 1 }], paymentMethod: 'card_ok' })).id, at);
  });
  const ids = [...begun.keys()];
  let ended: { id: string; at: Date }[] = [];
  while (ended.length < count) {
    await delay(50);
    ended = (
      await client.query<{ id: string; at: Date }>(
        `SELECT id, ended_at AS at FROM orders WHERE id = ANY ($1::uuid[]) AND ended_at IS NOT NULL`,
        [ids],
      )
    ).rows;
  }
  const last = Math.max(...ended.map(({ at }) => at.getTime()));
  const latencies = ended.map(({ id, at }) => at.getTime() - begun.get(id)!).sort((a, b) => a - b);
  const quantile = (q: number) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * q))]!;
  return { perSecond: Math.round((count / (last - start)) * 1000), p50: quantile(0.5), p99: quantile(0.99) };
}

async function outstanding(count: number, atOnce: number, placeOne: PlaceOne): Promise<void> {
  let left = count;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left-- > 0) await placeOne();
    }),
  );
}

/** Places at a fixed rate whatever the platform does, so that a stall is seen by everyone who comes during it. */
async function openLoop(count: number, perSecond: number, placeOne: PlaceOne): Promise<void> {
  const start = performance.now();
  const placed: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    await delay(Math.max(0, start + (i * 1000) / perSecond - performance.now()));
    placed.push(placeOne());
  }
  await Promise.all(placed);
}

/** Resident memory in MB; 0 where the system does not tell. */
function rssOf(pid: number): number {
  try {
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);
  } catch {
    return 0;
  }
}
