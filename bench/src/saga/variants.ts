import { fileURLToPath } from 'node:url';
import type { Service } from '@pavane/contracts';
import { SERVICES } from '@pavane/tools';

export type VariantName = 'ours' | 'textbook' | 'floor';

/** One way to run the same saga on the same servers. */
export interface Variant {
  name: VariantName;
  about: string;
  /** Entry modules in place of the services' own. */
  entries: Partial<Record<Service, string>>;
  /** Services that are stopped before the first order, because another process does their work. */
  idle: readonly Service[];
}

const module = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The services that textbook and floor were written for. */
const KNOWN: readonly Service[] = ['order', 'payment', 'inventory', 'notification'];
const unknown = SERVICES.filter((service) => !KNOWN.includes(service));

const all: readonly Variant[] = [
  { name: 'ours', about: 'the product', entries: {}, idle: [] },
  {
    name: 'textbook',
    about: 'the same services with a Prisma transaction and awaited publishes for each message',
    entries: Object.fromEntries(KNOWN.map((service) => [service, module(`./textbook/${service}.js`)])),
    idle: [],
  },
  {
    name: 'floor',
    about: 'one process without a framework that writes, publishes, charges and mails the same',
    entries: { order: module('./floor/main.js') },
    idle: KNOWN.filter((service) => service !== 'order'),
  },
];

/** Those that play the whole saga: on the floor nobody would take the events of a service it does not know. */
export const variants = all.filter(({ name }) => name !== 'floor' || unknown.length === 0);

/** What the comparison lacks. */
export const limits: readonly string[] =
  unknown.length === 0
    ? []
    : [
        `textbook and floor were not written for ${unknown.join(', ')}: it runs as in the product, and no floor is measured`,
      ];
