import { setTimeout as delay } from 'node:timers/promises';
import { main, UsageError } from './cli/command.js';
import { place, read } from './demo/client.js';
import { SCENARIOS } from './demo/scenarios.js';

/** Longer than a service takes to start and the saga to run; a stuck one is told apart from a slow one. */
const WITHIN_MS = 60_000;

await main({
  usage: 'node tools/dist/place.js --target URL [--json]',
  about:
    'Places one order, paid by a good card, and waits until it has ended. Exit code 1 when it has not within a minute.',
  options: { target: { type: 'string' }, json: { type: 'boolean' } },
  help: { '--target URL': 'where the order service is', '--json': 'print one JSON object as the last line' },
  async run({ target, json }) {
    if (!target || !URL.canParse(target)) throw new UsageError(`--target takes a URL, not "${target ?? ''}"`);
    const url = target.replace(/\/$/, '');
    const start = Date.now();
    let order = await place(url, SCENARIOS[0]!);
    while (order.status === 'pending' && Date.now() - start < WITHIN_MS) {
      await delay(100);
      order = await read(url, order.id);
    }
    const ok = order.status !== 'pending';
    const seconds = ((Date.now() - start) / 1000).toFixed(1);
    if (json) console.log(JSON.stringify({ ok, id: order.id, status: order.status, reason: order.reason }));
    else console.log(`  ${ok ? '✔' : '✘'} order ${order.id} is ${order.reason ?? order.status} after ${seconds} s`);
    return ok ? 0 : 1;
  },
});
