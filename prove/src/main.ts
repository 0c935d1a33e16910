import { main, UsageError } from '@pavane/tools';
import { proveFaults } from './prove-faults.js';
import { proveModel } from './prove-model.js';
import { proveSabotages } from './prove-sabotages.js';

const DEFAULT_SEED = 1;
/** A shorter one would take the warming up for a leak. */
const SHORTEST_SOAK_MS = 10 * 60_000;

await main({
  usage:
    'npm run prove -- [--quick | --full | --soak TIME | --sabotage | --model] [--only NAME] [--seed N] [--history DIR] [--json]',
  about:
    'Breaks a platform of its own in every way it can meet on one machine, heals it, and audits money, stock, mail and streams. About half an hour on two cores; writes prove/results/.',
  options: {
    quick: { type: 'boolean' },
    full: { type: 'boolean' },
    soak: { type: 'string' },
    rate: { type: 'string', default: '20' },
    sabotage: { type: 'boolean' },
    model: { type: 'boolean' },
    runs: { type: 'string', default: '10000' },
    only: { type: 'string' },
    seed: { type: 'string', default: `${DEFAULT_SEED}` },
    history: { type: 'string' },
    json: { type: 'boolean' },
  },
  help: {
    '--quick': 'a sample of crashes and the faults that take little time; under 3 minutes',
    '--full': 'every crash three times over, and the faults that take long; some 65 minutes on two cores',
    '--soak TIME': 'nothing breaks for so long, 10m or more, e.g. 2h: no violation, and no process that grows',
    '--rate N': 'customers a second while it soaks (default 20)',
    '--sabotage': 'breaks one promise after the other on purpose: each must be noticed by the check named for it',
    '--model': 'the rules of the services alone, in memory, against a simulated broker, provider and clock',
    '--runs N': 'how many seeds the model is run with, from --seed on (default 10000)',
    '--only NAME': 'only faults (or sabotages) whose name contains this, e.g. nats; or seams, e.g. "payment committed"',
    '--seed N': `repeats the choices of an earlier run (default ${DEFAULT_SEED})`,
    '--history DIR': 'writes what customers asked and were answered there, as JSON lines, for an external checker',
    '--json': 'print one JSON object as the last line',
  },
  async run({ quick, full, soak, rate, sabotage, model, runs, only, seed, history, json }) {
    const modes = { '--quick': quick, '--full': full, '--soak': soak, '--sabotage': sabotage, '--model': model };
    const chosen = Object.entries(modes).flatMap(([name, value]) => (value === undefined ? [] : [name]));
    if (chosen.length > 1) throw new UsageError(`one of ${chosen.join(', ')} at a time`);
    const common = { seed: whole('--seed', seed), only };
    const { ok, report } = sabotage
      ? await proveSabotages(common)
      : model
        ? await proveModel({ seed: common.seed, runs: whole('--runs', runs) })
        : await proveFaults({
            ...common,
            mode: quick ? 'quick' : full ? 'full' : 'normal',
            history,
            soak: soak === undefined ? undefined : { durationMs: soakTime(soak), perSecond: whole('--rate', rate) },
          });
    if (json) console.log(JSON.stringify(report));
    return ok ? 0 : 1;
  },
});

function whole(option: string, text: string): number {
  const number = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(number))
    throw new UsageError(`${option} ${text} is not a whole number`);
  return number;
}

/** `30m` or `2h`, in milliseconds. */
function soakTime(text: string): number {
  const [, count, unit] = /^(\d+)([mh])$/.exec(text) ?? [];
  const ms = Number(count) * (unit === 'h' ? 3_600_000 : 60_000);
  if (!(ms >= SHORTEST_SOAK_MS)) throw new UsageError(`--soak ${text} is not 10 minutes or more; say 30m or 2h`);
  return ms;
}
