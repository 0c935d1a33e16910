import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Service } from '@pavane/contracts';
import type { NatsServer } from '@pavane/testing/servers';
import { freePorts, LocalPlatform, SERVICES, type Settings } from '@pavane/tools';
import { Client } from 'pg';
import { brokerOf, type Profile } from './profiles.js';
import type { Variant } from './variants.js';

/** No order of a benchmark lives that long, unless it is about those that do. */
const ORDER_DEADLINE = '24h';

/** A new platform for one measurement, with nothing in it. */
export class Stand {
  private constructor(
    readonly platform: LocalPlatform,
    readonly dir: string,
    private readonly variant: Variant,
    private readonly brokers: readonly NatsServer[],
    /** From the first process to all ready, in seconds. */
    readonly startSeconds: number,
  ) {}

  static async start(
    variant: Variant,
    profile: Profile,
    env: Record<string, string> = {},
    orderDeadline = ORDER_DEADLINE,
  ): Promise<Stand> {
    const { entries, idle } = variant;
    const dir = mkdtempSync(join(tmpdir(), 'pavane-bench-'));
    // PostgreSQL may run under an account of its own, which has to get in.
    chmodSync(dir, 0o755);
    try {
      const ports = await freePorts();
      const settings: Settings = {
        dir,
        ports,
        orderDeadline,
        slowChargeMs: 14_000,
        // What the floor needs to know in the place of the services that it stands for.
        env: {
          ...Object.fromEntries(SERVICES.map((service) => [service, env])),
          order: { PROVIDER_PORT: `${ports.provider}`, SMTP_PORT: `${ports.smtp}`, ...env },
        },
      };
      const brokers: NatsServer[] = [];
      const started = performance.now();
      const platform = await LocalPlatform.start(settings, { ...brokerOf(profile, brokers), entries });
      const seconds = (performance.now() - started) / 1000;
      await Promise.all(idle.map((service) => platform.services.get(service)!.stop()));
      for (const service of idle) platform.services.delete(service);
      return new Stand(platform, dir, variant, brokers, seconds);
    } catch (error) {
      throw new Error(`${(error as Error).message} (logs and data are in ${dir})`, { cause: error });
    }
  }

  /** Every process that takes part, by its name; `load` is this one. */
  get processes(): Record<string, number> {
    const { services, provider, mail, postgres } = this.platform;
    const { name: alone, idle } = this.variant;
    return {
      ...Object.fromEntries([...services].map(([name, child]) => [idle.length > 0 ? alone : name, child.pid!])),
      ...Object.fromEntries(this.brokers.map(({ pid }, i) => [`nats-${i + 1}`, pid])),
      postgres: postgres.pid,
      provider: provider.pid!,
      mail: mail.pid!,
      load: process.pid,
    };
  }

  /** Does some work in the database of each service. */
  async inEachDatabase(work: (client: Client, service: Service) => Promise<unknown>): Promise<void> {
    await Promise.all(
      SERVICES.map(async (service) => {
        const client = new Client({ connectionString: this.platform.addresses.databases[service] });
        await client.connect();
        try {
          await work(client, service);
        } finally {
          await client.end();
        }
      }),
    );
  }

  /** Stops everything; what it kept goes, too, unless somebody has to look into it. */
  async stop({ keep }: { keep: boolean }): Promise<void> {
    await this.platform.stop();
    if (!keep) rmSync(this.dir, { recursive: true, force: true });
  }
}
