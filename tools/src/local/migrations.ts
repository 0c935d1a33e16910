import { join } from 'node:path';
import type { Service } from '@pavane/contracts';
import { migrate } from '../migrate.js';
import { ROOT } from './settings.js';

/** Brings a service's database up to date, creating it if need be. Resolves to the names of what was applied. */
export const migrateService = (service: Service, url: string): Promise<string[]> =>
  migrate(url, join(ROOT, 'apps', service, 'prisma/migrations'));
