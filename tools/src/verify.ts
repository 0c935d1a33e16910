import { NATS_HELP } from './cli/broker.js';
import { main, UsageError } from './cli/command.js';
import { DATABASES_HELP, PLATFORM_HELP } from './cli/progress.js';
import { reportOf } from './cli/report.js';
import { addressesFrom } from './local/settings.js';
import { audit } from './verify/audit.js';

await main({
  usage: 'npm run verify -- [--within SECONDS] [--dead-letters DURABLE=N]… [--json]',
  about: 'Audits a running platform: waits until it is at rest and every promise holds, or says which does not.',
  options: {
    within: { type: 'string', default: '30' },
    'dead-letters': { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean' },
  },
  help: {
    '--within SECONDS': 'how long the platform may take to come to rest (default 30)',
    '--dead-letters DURABLE=N': 'dead letters that poison must have left, e.g. payment_orders-created=1',
    '--json': 'print one JSON object as the last line',
    ...DATABASES_HELP,
    'PROVIDER_URL, MAIL_URL': 'servers of a platform elsewhere',
    ...NATS_HELP,
    ...PLATFORM_HELP,
  },
  async run({ within, 'dead-letters': letters, json }) {
    const seconds = Number(within);
    if (!(seconds >= 0)) throw new UsageError(`--within takes seconds, not "${within}"`);
    const deadLetters = Object.fromEntries(
      letters.map((letter) => {
        const [durable, count] = letter.split('=');
        if (!durable || !Number.isInteger(Number(count)))
          throw new UsageError(`--dead-letters takes DURABLE=N, not "${letter}"`);
        return [durable, Number(count)];
      }),
    );
    let told = 0;
    const verdict = await audit(addressesFrom(), {
      withinMs: seconds * 1000,
      deadLetters,
      onWait: (missing) => {
        if (Date.now() - told < 2000) return;
        told = Date.now();
        console.error(`  … waiting: ${missing.map(({ detail }) => detail).join(' · ')}`);
      },
    });
    if (json) console.log(JSON.stringify(verdict));
    else console.log(reportOf(verdict));
    return verdict.ok ? 0 : 1;
  },
});
