import { flags } from '@pavane/contracts';
import { getFlag, historyOf, listFlags, setFlag } from '@pavane/flags';
import { connectToNats, NATS_HELP } from './cli/broker.js';
import { main, UsageError } from './cli/command.js';

await main({
  usage: 'npm run flags -- ls | get FLAG | set FLAG VALUE | history FLAG [--json]',
  about: 'Reads and sets feature flags; running services follow within a second.',
  options: { json: { type: 'boolean' } },
  help: {
    ls: 'every flag with its value',
    'get FLAG': 'one flag',
    'set FLAG VALUE': 'set a flag, e.g. npm run flags -- set orders.intake false',
    'history FLAG': 'the last values of a flag',
    '--json': 'print one JSON object as the last line',
    ...NATS_HELP,
  },
  async run({ json }, [action, key, value, ...rest]) {
    const complete =
      action === 'ls' ? !key : action === 'set' ? key && value !== undefined : key && value === undefined;
    if (!['ls', 'get', 'set', 'history'].includes(action ?? '') || !complete || rest.length > 0)
      throw new UsageError('say ls, get FLAG, set FLAG VALUE or history FLAG');
    const nc = await connectToNats();
    try {
      if (action === 'set') await setFlag(nc, flags, key!, value);
      if (action === 'history') {
        const revisions = await historyOf(nc, flags, key!);
        if (json) console.log(JSON.stringify(revisions));
        else for (const { at, value: text } of revisions) console.log(`  ${at.toISOString()}  ${text ?? '(default)'}`);
        return 0;
      }
      const reports = action === 'ls' ? await listFlags(nc, flags) : [await getFlag(nc, flags, key!)];
      const width = Math.max(...reports.map((flag) => flag.key.length));
      if (json) console.log(JSON.stringify(reports));
      else
        for (const f of reports)
          console.log(
            `  ${f.key.padEnd(width)}  ${String(f.value).padEnd(6)} ${f.set ? '        ' : 'default '} ${f.description}${f.problem ? ` (${f.problem})` : ''}`,
          );
      return 0;
    } finally {
      await nc.close();
    }
  },
});
