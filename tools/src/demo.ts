import { main, UsageError } from './cli/command.js';
import { PLATFORM_HELP, printDeath, printed } from './cli/progress.js';
import { reportOf } from './cli/report.js';
import { runDemo, type Shown, timeline } from './demo/run.js';
import { LocalPlatform } from './local/platform.js';
import { type Addresses, addressesFrom, localSettings } from './local/settings.js';
import { audit } from './verify/audit.js';

await main({
  usage: 'npm run demo -- [--target URL] [--fresh] [--json]',
  about:
    'Runs the platform, places one order for each way an order can end, audits the result, and stops. Exit code 1 if any of it is not as it must be.',
  options: { target: { type: 'string' }, fresh: { type: 'boolean' }, json: { type: 'boolean' } },
  help: {
    '--target URL': 'use the platform that runs already, whose order service is at URL, and leave it running',
    '--fresh': 'forget everything an earlier start kept',
    '--json': 'print one JSON object as the last line',
    ...PLATFORM_HELP,
  },
  async run({ target, fresh, json }) {
    if (target && !URL.canParse(target)) throw new UsageError(`--target takes a URL, not "${target}"`);
    if (target) {
      const addresses = addressesFrom();
      return report({ ...addresses, http: { ...addresses.http, order: target.replace(/\/$/, '') } }, json);
    }
    const platform = await LocalPlatform.start(localSettings(), {
      ...(fresh && { fresh }),
      progress: printed,
      onDeath: printDeath,
    });
    const stop = () => void platform.stop().then(() => process.exit(130));
    process.once('SIGINT', stop).once('SIGTERM', stop);
    let code = 1;
    try {
      code = await report(platform.addresses, json);
    } finally {
      const codes = Object.entries(await platform.stop(printed)).filter(([, exit]) => exit !== 0);
      if (codes.length > 0) {
        console.error(
          `✘ did not end cleanly: ${codes.map(([name, exit]) => `${name} (exit code ${exit})`).join(', ')}`,
        );
        code = 1;
      }
    }
    return code;
  },
});

async function report(addresses: Addresses, json: boolean | undefined): Promise<number> {
  const say = json ? console.error : console.log;
  say('\nDemo orders:\n');
  const shown = await runDemo(addresses.http.order, (one: Shown) => say(`${timeline(one)}\n`));
  const verdict = await audit(addresses, { accepted: shown.map(({ order }) => order.id) });
  say(`Audit:\n${reportOf(verdict)}`);
  const ok = verdict.ok && shown.every(({ asExpected }) => asExpected);
  if (json) console.log(JSON.stringify({ ...verdict, ok }));
  return ok ? 0 : 1;
}
