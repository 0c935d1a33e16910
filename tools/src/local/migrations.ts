import { join } from 'node:path';
import type { Service } from '@pavane/contracts';
import { migrate } from '../migrate.js';
import { seedService } from './demo-data.js';
import { ROOT, SERVICES } from './settings.js';

export interface MigrateOptions {
  /** Puts the demo data into each database that never had it. */
  seed?: boolean;
  /** Where the migrations of a service are; by default in its own folder. */
  migrationsOf?: (service: Service) => string;
  /** Told of each database that is up to date now, with what that took. */
  onDone?: (service: Service, done: string[]) => void;
}

/**
 * Brings the database of every service up to date, creating it if need be. One that cannot be does not keep the others
 * from it: when all are settled, rejects with one error that names each that failed, and why.
 */
export async function migrateAll(urls: Record<Service, string>, options: MigrateOptions = {}): Promise<void> {
  const { seed = false, migrationsOf = ownMigrations, onDone } = options;
  const settled = await Promise.allSettled(
    SERVICES.map(async (service) => {
      const done = await migrate(urls[service], migrationsOf(service));
      if (seed && (await seedService(service, urls[service]))) done.push('demo data');
      onDone?.(service, done);
    }),
  );
  const failed = settled.flatMap((result, index) =>
    result.status === 'rejected' ? [`  ${SERVICES[index]!}: ${(result.reason as Error).message}`] : [],
  );
  if (failed.length === 0) return;
  const others = SERVICES.length - failed.length;
  throw new Error(
    `${failed.length} of ${SERVICES.length} databases could not be brought up to date${others > 0 ? '; the others are' : ''}:\n${failed.join('\n')}`,
  );
}

const ownMigrations = (service: Service): string => join(ROOT, 'apps', service, 'prisma/migrations');
