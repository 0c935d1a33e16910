import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ceType, events, type EventType, saga } from '@pavane/contracts';
import { ROOT } from '../local/settings.js';
import { asApplied, derived, read } from './derived.js';
import { diagram } from './diagram.js';
import { readingGuide } from './reading.js';
import { asPublished, schemas } from './schemas.js';

type Schema = { properties: Record<string, object>; required: string[] };
const FILE = 'libs/contracts/schemas/orders.created.v1.json';
const published = read(join(ROOT, FILE))!;
const current = () =>
  structuredClone(schemas().get('orders.created.v1')) as unknown as Schema & Record<string, unknown>;

describe('what is derived from the saga table', () => {
  // The reading guide counts lines of code: `npm run generate -- --check` sees to it.
  const files = [...derived()].filter(([file]) => file !== 'docs/reading.md');
  it.each(files)('is committed as it is: %s', (file, content) => {
    expect(read(join(ROOT, file))).toBe(content);
  });

  it('draws every event from who says it to who hears it', () => {
    const drawn = diagram();
    for (const type of Object.keys(events)) expect(drawn).toContain(type);
    for (const service of Object.keys(saga)) expect(drawn).toMatch(new RegExp(`--> ${service}`));
  });
});

describe('the reading guide', () => {
  it('follows an order through 500 lines at most, beside the table', () => {
    const rows = [...readingGuide().matchAll(/^\| \[(.+?)\].*?\| (\d+) \|/gm)];
    const beside = rows.filter(([, file]) => file !== 'libs/contracts/src/saga.ts');
    expect(beside).toHaveLength(rows.length - 1);
    expect(beside.reduce((sum, [, , lines]) => sum + Number(lines), 0)).toBeLessThanOrEqual(500);
  });
});

describe('a published schema', () => {
  it('exists for the present version of every event, and says that nothing else may be in it', () => {
    const files = readdirSync(join(ROOT, 'libs/contracts/schemas'));
    for (const type of Object.keys(events) as EventType[]) {
      expect(files).toContain(`${ceType(type)}.json`);
      expect(schemas().get(ceType(type))).toMatchObject({ $id: ceType(type), additionalProperties: false });
    }
  });

  it('is what the class of the event says', () => {
    expect(asPublished(FILE, current(), published)).toBe(published);
  });

  it.each<[string, (schema: Schema) => void]>([
    ['has a field more', ({ properties }) => (properties['coupon'] = { type: 'string' })],
    ['has a field less', ({ properties }) => delete properties['email']],
    ['asks for less', ({ required }) => required.pop()],
    ['has a stricter rule', ({ properties }) => Object.assign(properties['customerId']!, { maxLength: 8 })],
  ])('cannot change without a new version: a class that %s is refused, and the file is named', (_, change) => {
    const schema = current();
    change(schema);
    expect(() => asPublished(FILE, schema, published)).toThrow(
      /orders\.created\.v1\.json is published .* needs a new version/,
    );
  });

  it('may change as long as it is in no commit', () => {
    const schema = current();
    schema.properties['coupon'] = { type: 'string' };
    expect(JSON.parse(asPublished(FILE, schema, published, () => false))).toEqual(schema);
  });

  it('is written when the version is new', () => {
    expect(JSON.parse(asPublished('orders.created.v2.json', current(), undefined))).toEqual(current());
  });
});

describe('a migration of inbox and outbox', () => {
  const file = 'apps/order/prisma/migrations/20261121000000_messaging/migration.sql';

  it('is written where it is new', () => {
    expect(asApplied(file, 'CREATE', undefined)).toBe('CREATE');
  });

  it('is never rewritten: one that reads differently is refused, and the file is named', () => {
    expect(asApplied(file, 'CREATE', 'CREATE')).toBe('CREATE');
    expect(() => asApplied(file, 'CREATE more', 'CREATE')).toThrow(
      /20261121000000_messaging.* a migration stays as it/,
    );
  });
});
