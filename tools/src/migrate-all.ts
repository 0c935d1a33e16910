import { main } from './cli/command.js';
import { migrateAll } from './local/migrations.js';
import { addressesFrom } from './local/settings.js';

await main({
  usage: 'npm run migrate -- [--seed]',
  about: "Brings every service's database up to date.",
  options: { seed: { type: 'boolean' } },
  help: {
    '--seed': 'put the catalogue and stock of the demo into each database that never had them; not for production',
    'ORDER_DATABASE_URL, …':
      'the databases; also PAYMENT_, INVENTORY_ and NOTIFICATION_DATABASE_URL (default: the local platform)',
  },
  async run({ seed = false }) {
    await migrateAll(addressesFrom().databases, {
      seed,
      onDone: (service, done) =>
        console.log(`  ${service.padEnd(13)} ${done.length > 0 ? done.join(', ') : 'up to date'}`),
    });
    return 0;
  },
});
