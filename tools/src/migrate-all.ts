import { main } from './cli/command.js';
import { DATABASES_HELP } from './cli/progress.js';
import { migrateAll } from './local/migrations.js';
import { addressesFrom, SERVICES } from './local/settings.js';

const WIDTH = Math.max(...SERVICES.map(({ length }) => length)) + 1;

await main({
  usage: 'npm run migrate -- [--seed]',
  about: "Brings every service's database up to date.",
  options: { seed: { type: 'boolean' } },
  help: {
    '--seed': 'put the catalogue and stock of the demo into each database that never had them; not for production',
    ...DATABASES_HELP,
  },
  async run({ seed = false }) {
    await migrateAll(addressesFrom().databases, {
      seed,
      onDone: (service, done) =>
        console.log(`  ${service.padEnd(WIDTH)} ${done.length > 0 ? done.join(', ') : 'up to date'}`),
    });
    return 0;
  },
});
