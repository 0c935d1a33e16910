import { topology } from '@pavane/contracts';
import { apply, type Change, plan } from '@pavane/jetstream/provisioning';
import { connectToNats, NATS_HELP } from './cli/broker.js';
import { main, UsageError } from './cli/command.js';
import { bytesOf } from './cli/size.js';

await main({
  usage: 'npm run topology -- plan | apply [--force] [--no-audit] [--replicas N] [--store SIZE] [--json]',
  about:
    'Compares what NATS holds (streams, consumers, buckets) with what the saga needs, and makes it so. Services only bind to it.',
  options: {
    force: { type: 'boolean' },
    'no-audit': { type: 'boolean' },
    replicas: { type: 'string' },
    store: { type: 'string' },
    json: { type: 'boolean' },
  },
  help: {
    plan: 'print what apply would do',
    apply: 'do it; refuses what would lose messages or cannot be undone',
    '--force': 'do that as well, and remove consumers nobody listens to any more',
    '--no-audit': 'leave the AUDIT stream out',
    '--replicas N': 'copies of every stream, 1, 3 or 5 (default: 3 in a cluster, else 1)',
    '--store SIZE':
      'room for all streams on each server, shared out among them, e.g. 7Gi (default: 1Gi, what the local platform has)',
    '--json': 'print one JSON object as the last line',
    ...NATS_HELP,
  },
  async run({ force, 'no-audit': noAudit, replicas, store, json }, [action, ...rest]) {
    if ((action !== 'plan' && action !== 'apply') || rest.length > 0) throw new UsageError('say plan or apply');
    if (replicas && !['1', '3', '5'].includes(replicas))
      throw new UsageError(`--replicas takes 1, 3 or 5, not "${replicas}"`);
    const nc = await connectToNats();
    try {
      const copies = Number(replicas ?? (nc.info?.cluster ? 3 : 1)) as 1 | 3 | 5;
      const wanted = topology({ replicas: copies, audit: !noAudit, ...(store && { store: bytesOf(store) }) });
      const show = (change: Change) => json || console.log(`  ${change}`);
      const changes =
        action === 'plan'
          ? await plan(nc, wanted)
          : await apply(nc, wanted, { ...(force && { force }), onChange: show });
      if (action === 'plan') changes.forEach(show);
      if (changes.length === 0 && !json) console.log('  NATS holds what the saga needs; nothing to do.');
      if (json)
        console.log(
          JSON.stringify({
            ok: true,
            changes: changes.map(({ action: what, target, detail, refused }) => ({
              action: what,
              target,
              detail,
              refused,
            })),
          }),
        );
      return 0;
    } finally {
      await nc.close();
    }
  },
});
