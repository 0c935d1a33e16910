import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Service, SERVICES, services, simulators } from '@pavane/contracts';

export { SERVICES };

/** The root of the clone. */
export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

const SERVER_PORTS = { provider: 4010, smtp: 2525, mail: 8025, nats: 4222, monitor: 8222, postgres: 5432 };

/** A port of the local platform: of a service, or of a server beside them. A service's simulators are further keys. */
export type PortName = Service | keyof typeof SERVER_PORTS;

/** Every port of the local platform and the variable that changes it. */
export const PORTS = Object.fromEntries(
  [
    ...SERVICES.map((service) => [service, services[service].port] as const),
    ...simulators.map(({ name, port }) => [name, port] as const),
    ...Object.entries(SERVER_PORTS),
  ].map(([name, port]) => [
    name,
    { variable: `${name === 'monitor' ? 'NATS_MONITOR' : name.toUpperCase()}_PORT`, port },
  ]),
) as Record<PortName, { variable: string; port: number }>;

/** How one local platform is set up. */
export interface Settings {
  /** Where everything it keeps lives: streams, database, money, mail, logs. */
  dir: string;
  ports: Record<PortName, number>;
  /** `ORDER_DEADLINE`; short, so that the demo can show an order that runs past it. */
  orderDeadline: string;
  /** When `card_slow` is answered: well after the deadline. */
  slowChargeMs: number;
  /** Further variables for a service. */
  env: Partial<Record<Service, Record<string, string>>>;
}

/** The settings of the platform behind `npm start`. Throws one error that names every variable that is no port. */
export function localSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  const wrong: string[] = [];
  const ports = Object.fromEntries(
    Object.entries(PORTS).map(([name, { variable, port }]) => {
      const value = env[variable] ? Number(env[variable]) : port;
      if (!Number.isInteger(value) || value < 1 || value > 65_535) wrong.push(`${variable}="${env[variable]}"`);
      return [name, value];
    }),
  ) as Record<PortName, number>;
  if (wrong.length > 0)
    throw new Error(`not a port between 1 and 65535: ${wrong.join(', ')}; correct or unset these variables`);
  return {
    dir: env['PLATFORM_DIR'] ? resolve(env['PLATFORM_DIR']) : join(ROOT, '.platform'),
    ports,
    orderDeadline: services.order.trial!['ORDER_DEADLINE']!,
    slowChargeMs: 14_000,
    env: {},
  };
}

/** Where the parts of a platform answer: what the demo and the audit need to know of it. */
export interface Addresses {
  http: Record<Service, string>;
  provider: string;
  mail: string;
  nats: string;
  databases: Record<Service, string>;
}

const database = (port: number, service: Service): string => `postgresql://postgres@127.0.0.1:${port}/${service}`;

/** The addresses of a platform on this machine, by its ports. */
export function localAddresses(ports: Record<PortName, number>): Addresses {
  const each = (url: (service: Service) => string) =>
    Object.fromEntries(SERVICES.map((service) => [service, url(service)])) as Record<Service, string>;
  return {
    http: each((service) => `http://127.0.0.1:${ports[service]}`),
    provider: `http://127.0.0.1:${ports.provider}`,
    mail: `http://127.0.0.1:${ports.mail}`,
    nats: `nats://127.0.0.1:${ports.nats}`,
    databases: each((service) => database(ports.postgres, service)),
  };
}

/** The addresses an audit or a demo goes to: those of this machine, each replaceable by its variable (see `--help`). */
export function addressesFrom(env: NodeJS.ProcessEnv = process.env): Addresses {
  const local = localAddresses(localSettings(env).ports);
  const each = (urls: Record<Service, string>, suffix: string) =>
    Object.fromEntries(
      SERVICES.map((service) => [service, env[`${service.toUpperCase()}_${suffix}`] ?? urls[service]]),
    ) as Record<Service, string>;
  return {
    http: each(local.http, 'URL'),
    provider: env['PROVIDER_URL'] ?? local.provider,
    mail: env['MAIL_URL'] ?? local.mail,
    nats: env['NATS_URL'] ?? local.nats,
    databases: each(local.databases, 'DATABASE_URL'),
  };
}
