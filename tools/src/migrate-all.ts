import { main } from './cli/command.js';
import { migrateService } from './local/migrations.js';
import { addressesFrom, SERVICES } from './local/settings.js';

await main({
  usage: 'npm run migrate',
  about: "Brings every service's database up to date, and sows the demo's catalogue and stock where there is none.",
  options: {},
  help: {
    'ORDER_DATABASE_URL, …':
      'the databases; also PAYMENT_, INVENTORY_ and NOTIFICATION_DATABASE_URL (default: the local platform)',
  },
  async run() {
    for (const service of SERVICES) {
      const applied = await migrateService(service, addressesFrom().databases[service]);
      console.log(`  ${service.padEnd(13)} ${applied.length > 0 ? applied.join(', ') : 'up to date'}`);
    }
    return 0;
  },
});
