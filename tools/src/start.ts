import { once } from 'node:events';
import { reportOf } from './cli/report.js';
import { main } from './cli/command.js';
import { PLATFORM_HELP, printDeath, printed } from './cli/progress.js';
import { runDemo, timeline } from './demo/run.js';
import { LocalPlatform } from './local/platform.js';
import { localSettings, SERVICES } from './local/settings.js';
import { audit } from './verify/audit.js';

await main({
  usage: 'npm start -- [--fresh] [--no-demo]',
  about: 'Runs the whole platform on this machine, shows demo orders travelling through it, and stays up until Ctrl-C.',
  options: { fresh: { type: 'boolean' }, 'no-demo': { type: 'boolean' } },
  help: {
    '--fresh': 'forget everything an earlier start kept: streams, databases, money and mail',
    '--no-demo': 'place no demo orders',
    ...PLATFORM_HELP,
  },
  async run({ fresh, 'no-demo': noDemo }) {
    const settings = localSettings();
    let stopping = false;
    // Listening from the start: a Ctrl-C while the platform comes up must still stop what has come up.
    const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]).then(
      () => void (stopping = true),
    );
    console.error('Starting the platform');
    const starting = LocalPlatform.start(settings, {
      ...(fresh && { fresh }),
      progress: printed,
      onDeath: (name, how) => stopping || printDeath(name, how),
    });
    const platform = await Promise.race([starting, interrupted.then(() => starting)]);
    const { http, provider, mail } = platform.addresses;
    if (!stopping) {
      const pages: readonly (readonly [name: string, address: string])[] = [
        ...SERVICES.map((service) => [service, http[service]] as const),
        ['API', `${http.order}/docs`],
        ['stock', `${http.inventory}/stock`],
        ['provider', `${provider}/ledger`],
        ['mail', `${mail}/messages`],
        ...[...platform.simulators].map(([name, { options }]) => [name, new URL(options.readyUrl).origin] as const),
        ['logs', `${settings.dir}/logs`],
      ];
      console.log(`\n${pages.map(([name, address]) => `  ${name.padEnd(14)} ${address}`).join('\n')}\n`);
    }
    if (!noDemo && !stopping) await Promise.race([show(platform), interrupted]);
    if (!stopping)
      console.log('\nThe platform is up. Place an order of your own (see README.md), or stop it with Ctrl-C.');
    await interrupted;
    // A second signal must end this at once, as everywhere.
    process.once('SIGINT', () => process.exit(130));
    console.error('\nStopping the platform');
    const codes = Object.entries(await platform.stop(printed));
    const failed = codes.filter(([, code]) => code !== 0);
    if (failed.length > 0)
      console.error(`✘ did not end cleanly: ${failed.map(([name, code]) => `${name} (exit code ${code})`).join(', ')}`);
    return failed.length > 0 ? 1 : 0;
  },
});

async function show(platform: LocalPlatform): Promise<void> {
  console.log(`Demo orders (one of them waits for its deadline, ${platform.settings.orderDeadline}):\n`);
  await runDemo(platform.addresses.http.order, (shown) => console.log(`${timeline(shown)}\n`));
  console.log('Audit:');
  console.log(reportOf(await audit(platform.addresses)));
}
