import { backlog, replay } from '@pavane/outbox';
import { Client } from 'pg';
import { main, UsageError } from './cli/command.js';
import { DATABASES_HELP } from './cli/progress.js';
import { reach } from './cli/reach.js';
import { timeOf } from './cli/time.js';
import { addressesFrom, SERVICES } from './local/settings.js';

await main({
  usage: 'npm run outbox -- status | replay --since TIME [--service NAME]… [--json]',
  about:
    'Looks into the outboxes, and refills the streams from them after a broker lost what it had acknowledged. Listeners skip what they have handled.',
  options: {
    since: { type: 'string' },
    service: { type: 'string', multiple: true, default: [...SERVICES] },
    json: { type: 'boolean' },
  },
  help: {
    status: 'what waits in each outbox',
    replay: 'publish everything stored since TIME once more',
    '--since TIME':
      'ISO 8601 with its zone, e.g. 2026-11-21T08:00:00Z; at most 48 hours back, which is how long outboxes keep it',
    '--service NAME': 'only this service; may be given several times (default: all)',
    '--json': 'print one JSON object as the last line',
    ...DATABASES_HELP,
  },
  async run({ since, service: names, json }, [action, ...rest]) {
    if ((action !== 'status' && action !== 'replay') || rest.length > 0)
      throw new UsageError('say status or replay --since TIME');
    const from = timeOf(since ?? '');
    if (action === 'replay' && !from)
      throw new UsageError(
        `--since takes a time in ISO 8601 with its zone, such as 2026-11-21T08:00:00Z, not "${since ?? ''}"`,
      );
    const services = SERVICES.filter((service) => names.includes(service));
    const unknown = names.filter((name) => !(SERVICES as readonly string[]).includes(name));
    if (unknown.length > 0)
      throw new UsageError(`no service is called ${unknown.join(', ')}; there are ${SERVICES.join(', ')}`);
    const results: Record<string, object> = {};
    for (const service of services) {
      const url = addressesFrom().databases[service];
      const client = new Client({ connectionString: url });
      await reach(`the database of ${service}`, url, client.connect());
      let told: string;
      try {
        if (action === 'replay') {
          const replayed = await replay(client, from!);
          results[service] = { replayed };
          told = `${replayed} to be published once more`;
        } else {
          const { unpublished, oldestMs, quarantined } = (results[service] = await backlog(client));
          told = `${unpublished} waiting, the oldest for ${Math.round(oldestMs / 1000)} s; ${quarantined} quarantined`;
        }
      } finally {
        await client.end();
      }
      if (!json) console.log(`  ${service.padEnd(13)} ${told}`);
    }
    if (json) console.log(JSON.stringify(results));
    return 0;
  },
});
