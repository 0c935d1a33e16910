import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Service } from '@pavane/contracts';
import { Client } from 'pg';
import { migrate } from '../migrate.js';
import { ROOT } from './settings.js';

/** Brings a service's database up to date, creating it if need be, and sows the catalogue and stock of the demo. */
export async function migrateService(service: Service, url: string): Promise<string[]> {
  const prisma = join(ROOT, 'apps', service, 'prisma');
  const applied = await migrate(url, join(prisma, 'migrations'));
  const seed = await readFile(join(prisma, 'seed.sql'), 'utf8').catch(() => undefined);
  if (!seed) return applied;
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(seed);
  } finally {
    await client.end();
  }
  return applied;
}
