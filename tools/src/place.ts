import { setTimeout as delay } from 'node:timers/promises';
import { main, UsageError } from './cli/command.js';
import { place, products, read } from './demo/client.js';

/** Longer than a service takes to start and the saga to run; a stuck one is told apart from a slow one. */
const WITHIN_MS = 60_000;

await main({
  usage: 'node tools/dist/place.js --target URL [--json]',
  about:
    'Places one order for the first product of the catalogue, paid by a good card, and waits until it has ended. Exit code 1 when it has not within a minute.',
  options: { target: { type: 'string' }, json: { type: 'boolean' } },
  help: { '--target URL': 'where the order service is', '--json': 'print one JSON object as the last line' },
  async run({ target, json }) {
    if (!target || !URL.canParse(target)) throw new UsageError(`--target takes a URL, not "${target ?? ''}"`);
    const url = target.replace(/\/$/, '');
    const [product] = await products(url);
    if (!product)
      throw new Error(
        `${url}/products lists nothing, so nothing can be ordered; add products, or the demo's (npm run migrate -- --seed)`,
      );
    const start = Date.now();
    let order = await place(url, { items: [{ sku: product.sku, quantity: 1 }], paymentMethod: 'card_ok' });
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
