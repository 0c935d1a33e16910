import { main } from './cli/command.js';
import { seedService } from './local/demo-data.js';
import { migrateService } from './local/migrations.js';
import { addressesFrom, SERVICES } from './local/settings.js';

await main({
  usage: 'npm run migrate -- [--seed]',
  about: "Brings every service's database up to date.",
  options: { seed: { type: 'boolean' } },
  help: {
    '--seed': 'put the catalogue and stock of the demo into each database that never had them; not for production',
    'ORDER_DATABASE_URL, …':
      'the databases; also PAYMENT_, INVENTORY_ and NOTIFICATION_DATABASE_URL (default: the local platform)',
  },
  async run({ seed }) {
    for (const service of SERVICES) {
      const url = addressesFrom().databases[service];
      const applied = await migrateService(service, url);
      const seeded = seed && (await seedService(service, url));
      const done = [...applied, ...(seeded ? ['demo data'] : [])];
      console.log(`  ${service.padEnd(13)} ${done.length > 0 ? done.join(', ') : 'up to date'}`);
    }
    return 0;
  },
});
