import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type NatsOptions, type NatsServer, startNats } from '@pavane/testing/servers';
import type { Disk } from './disk.js';

export type NatsOnDisk = NatsServer & { readonly disk: Disk };

/** How often nats-server syncs what it has acknowledged; by default every two minutes. */
export interface Syncing {
  syncInterval?: 'always';
}

/** Starts a nats-server that keeps its streams, but not its log, on a disk of their own. */
export function natsOn(disk: Disk, { syncInterval }: Syncing = {}): (options: NatsOptions) => Promise<NatsOnDisk> {
  return async (options) => {
    const streams = join(disk.path, 'jetstream');
    mkdirSync(streams, { recursive: true });
    mkdirSync(options.dir!, { recursive: true });
    symlinkSync(streams, join(options.dir!, 'jetstream'));
    await disk.sync();
    // Streams reserve more than they use, and more than such a disk has.
    const settings = ['max_file_store: 10GB', ...(syncInterval ? [`sync_interval: ${syncInterval}`] : [])];
    const config = `${options.config ?? ''}jetstream { ${settings.join(', ')} }\n`;
    const nats = await startNats({ ...options, config });
    return Object.assign(nats, { disk });
  };
}
