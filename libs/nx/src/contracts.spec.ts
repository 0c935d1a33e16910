import { expect, it } from '@jest/globals';
import * as contracts from './contracts.mjs';

const SOURCE = `import { type Extra, StockCounted } from './stock.js';
import { ToysLost, ToysSold } from './toys.js';

/** Every event. */
export const events = {
  'toys.sold': { version: 1, payload: ToysSold },
  // Somebody says why.
  'toys.lost': {
    version: 2,
    payload: ToysLost, // as it is now
    earlier: {
      1: (data) => ({
        ...data,
        where: { town: 'here' },
      }),
    },
  },
  // Last of all.
  'stock.counted': { version: 1, payload: StockCounted },
} as const satisfies Record<string, Definition>;
`;

it('an event whose earlier version is made over several lines goes as a whole, with its import', () => {
  expect(contracts.withoutEvent(SOURCE, 'toys.lost')).toBe(`import { StockCounted } from './stock.js';
import { ToysSold } from './toys.js';

/** Every event. */
export const events = {
  'toys.sold': { version: 1, payload: ToysSold },
  // Somebody says why.
  // Last of all.
  'stock.counted': { version: 1, payload: StockCounted },
} as const satisfies Record<string, Definition>;
`);
});

it('an event whose payload another carries leaves the import', () => {
  const shared = SOURCE.replace('payload: ToysLost', 'payload: ToysSold');
  expect(contracts.withoutEvent(shared, 'toys.sold')).toContain('ToysSold } from');
});

it.each([
  ['toys.sold', "'toys.sold': { version: 2, payload: ToysSold, earlier: { 1: (data) => data } },\n  // Somebody"],
  ['toys.lost', 'payload: ToysLost, // as it is now\n    earlier: { 2: (data) => data,\n      1: (data) => ({'],
  ['stock.counted', 'version: 2, payload: StockCounted, earlier: { 1: (data) => data } },\n} as const'],
])('the next version of %s is beside the present one, whatever follows', (event, text) => {
  const next = contracts.withNextVersion(SOURCE, event);
  expect(next).toContain(text);
  const versions = (source: string) => [...source.matchAll(/version: (\d)/g)].length;
  expect(versions(next)).toBe(versions(SOURCE));
});

it('a second event of a kind joins the import of the first', () => {
  const more = contracts.withEvents(SOURCE, 'toys', ['toys.found']);
  expect(more).toContain("import { ToysLost, ToysSold, ToysFound } from './toys.js';\n");
  expect(more).toContain("  'toys.found': { version: 1, payload: ToysFound },\n} as const");
});

const TABLE = `export const saga = {
  shop: {
    'POST /toys': ['toys.sold'],
    'stock.counted': [],
  },
  stock: {
    'toys.sold': ['stock.counted', 'toys.lost'],
  },
} as const satisfies Record<string, Record<string, readonly EventType[]>>;
`;

it.each<[string, () => string, RegExp]>([
  ['an event', () => contracts.withoutEvent(SOURCE, 'toys.found'), /'toys\.found' was not found/],
  ['the event of a version', () => contracts.withNextVersion(SOURCE, 'toys.found'), /'toys\.found' was not found/],
  ['a service', () => contracts.withoutService(TABLE, 'bank'), /the service bank was not found/],
  ['a row', () => contracts.withoutRow(TABLE, 'toys.found'), /a row 'toys\.found' was not found/],
  ['a row to add to', () => contracts.withAnswer(TABLE, 'shop', 'toys.sold', 'a.b'), /'toys\.sold' of shop was not/],
  ['a place for a row', () => contracts.withRow(TABLE, 'bank', 'toys.sold', []), /the service bank was not found/],
  ['a port', () => contracts.withoutPort('', 'bank'), /the service bank was not found/],
  ['a class', () => contracts.withoutClass('', 'ToysLost'), /the class ToysLost was not found/],
  ['an export', () => contracts.withoutExport('', 'toys'), /export of events\/toys\.js was not found/],
])('%s that is not there is an error, not a change of nothing', (_, change, reason) => {
  expect(change).toThrow(reason);
});

it('a payload goes with what was said about it, and with the imports that it alone used', () => {
  const file = `import { Type } from 'class-transformer';
import { IsDefined, IsString } from 'class-validator';
import { Money, WithItems } from './values.js';

/** \`toys.sold\`. */
export class ToysSold extends WithItems {
  /** For how much. */
  @IsDefined() @Type(() => Money) price!: Money;
}

/** \`toys.lost\`. */
export class ToysLost {
  @IsString() where!: string;
}
`;
  expect(contracts.withoutClass(file, 'ToysSold')).toBe(`import { IsString } from 'class-validator';

/** \`toys.lost\`. */
export class ToysLost {
  @IsString() where!: string;
}
`);
});

it('a simulator is known by name and port', () => {
  const services =
    "  readonly simulators?: {};\n  shipping: { port: 1, simulators: { carrier: 4014, 'label-printer': 4015 } },\n";
  expect([...contracts.simulatorsIn(services)]).toEqual([
    ['carrier', 4014],
    ['label-printer', 4015],
  ]);
});
