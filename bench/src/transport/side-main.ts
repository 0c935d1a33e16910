/**
 * One side of a transport as a process: `side-main.js consumer|publisher <module> <url> [variant]`. Says `ready`, then does
 * what it is asked by IPC until the process that asked is gone.
 */
import { pathToFileURL } from 'node:url';
import type { Contender } from './contender.js';
import { Ledger } from './ledger.js';
import { Load } from './load.js';

const [role, module, url, variant] = process.argv.slice(2) as ['consumer' | 'publisher', string, string, string?];
process.once('disconnect', () => process.exit(0));

const contender = (await import(pathToFileURL(module).href)) as Contender;
const doing = role === 'consumer' ? await consuming() : new Load(await contender.connect(url, variant));

async function consuming(): Promise<Ledger> {
  await contender.provision?.(url);
  const ledger = new Ledger();
  await contender.consume(url, (event) => ledger.hear(event), variant);
  return ledger;
}

process.on('message', ({ id, method, args }: { id: number; method: never; args: unknown[] }) => {
  const run = async (): Promise<unknown> => (doing[method] as (...given: unknown[]) => unknown).apply(doing, args);
  run().then(
    (result) => process.send!({ id, result }),
    (error: unknown) => process.send!({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
process.send!({ ready: true });
