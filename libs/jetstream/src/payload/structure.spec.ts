import { Expose, Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsDate,
  IsDefined,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  ValidateNested,
} from 'class-validator';
import { MAX_ITEMS } from './structure.declared.js';
import { flawsOf, MAX_DEPTH, MAX_NAMED } from './structure.js';

class Line {
  @IsString() sku!: string;
  @IsInt() quantity!: number;
}

class Order {
  @ValidateNested({ each: true }) @Type(() => Line) @ArrayMaxSize(50) lines!: Line[];
  @IsDefined() @ValidateNested() @Type(() => Line) gift!: Line;
  @IsString() note!: string;
  @IsOptional() @IsString({ each: true }) tags?: string[];
  @IsOptional() @IsObject() free?: object;
  @IsOptional() @IsString({ each: true }) oneOrMore?: string | string[];
}

const line = { sku: 'CUP', quantity: 1 };
const good = { lines: [line], gift: line, note: 'n' };
const fieldsIn = (change: object) => flawsOf({ ...good, ...change }, Order).named.map(({ field }) => field);
const nested = (depth: number): unknown => JSON.parse('['.repeat(depth) + ']'.repeat(depth));

describe('a value that is built as it must be', () => {
  it.each<[string, object]>([
    ['all there is', {}],
    ['text of any language', { note: 'Grüße, 日本, 👩‍🚀' }],
    ['what is missing or empty, which is for the rules to judge', { note: null, lines: undefined, tags: [] }],
    ['values of the wrong type, which is for the rules to judge', { note: 1, tags: [1] }],
    ['anything where anything may be', { free: { a: [[{ b: 'c' }]] } }],
    ['one value or several where both are declared', { oneOrMore: 'a' }],
    ['as many elements as declared', { lines: Array.from({ length: 50 }, () => line) }],
  ])('has no flaw: %s', (_, change) => {
    expect(fieldsIn(change)).toEqual([]);
  });

  it('is judged by what it is sent as, where a class makes something else of it', () => {
    class Made {
      @Type(() => Date) @IsDate() at!: Date;
      @Transform(({ value }) => String(value).split(',')) @IsArray() list!: string[];
      @Expose({ name: 'customer_id' }) @IsString() customerId!: string;
    }
    expect(flawsOf({ at: '2026-01-01', list: 'a,b', customer_id: 'c' }, Made).named).toEqual([]);
    expect(flawsOf({ at: [], customer_id: {} }, Made).named.map(({ field }) => field)).toEqual(['at', 'customer_id']);
  });
});

describe('a flaw', () => {
  it.each<[string, object, string]>([
    ['a list in a list', { lines: [[line]] }, 'lines[0]'],
    ['an empty list in a list', { lines: [[]] }, 'lines[0]'],
    ['something else in a list of objects', { lines: [line, 'CUP'] }, 'lines[1]'],
    ['no list', { lines: line }, 'lines'],
    ['a single value for a list', { tags: 'a' }, 'tags'],
    ['a list for an object', { gift: [line] }, 'gift'],
    ['an empty list for an object', { gift: [] }, 'gift'],
    ['a list for a single value', { note: [] }, 'note'],
    ['an object for a single value', { lines: [{ ...line, sku: {} }] }, 'lines[0].sku'],
    ['more elements than declared', { lines: Array.from({ length: 51 }, () => [[]]) }, 'lines'],
    ['more elements than an array has without being declared to', { tags: Array(MAX_ITEMS + 1).fill('') }, 'tags'],
    ['NUL', { gift: { ...line, sku: 'a\0b' } }, 'gift.sku'],
    ['half of a surrogate pair', { tags: ['', 'a\ud800b'] }, 'tags[1]'],
    ['NUL in a name', { free: { 'a\0': 1 } }, 'free["a\\u0000"]'],
    ['an unknown field', { lines: [{ ...line, price: 1 }] }, 'lines[0].price'],
    ['an unknown field that {} has as well', { toString: 1 }, 'toString'],
    ['a constructor', { gift: { ...line, constructor: {} } }, 'gift.constructor'],
    ['what would be dropped where anything may be', { free: { constructor: 1 } }, 'free.constructor'],
    ['too much depth', { free: { deep: nested(MAX_DEPTH) } }, `free.deep${'[0]'.repeat(MAX_DEPTH - 2)}`],
  ])('is %s, by the name of its field', (_, change, field) => {
    expect(fieldsIn(change)).toEqual([field]);
  });

  it('is a field called __proto__, as JSON makes it', () => {
    const sent = JSON.parse('{"note": "n", "free": {"__proto__": {}}, "__proto__": {"note": "x"}}') as object;
    expect(flawsOf(sent, Order).named.map(({ field }) => field)).toEqual(['free.__proto__', '__proto__']);
  });

  it.each([[[]], [[good]], ['text'], [1], [true]])('is the whole of what is no object: %j', (value) => {
    expect(flawsOf(value, Order).named).toMatchObject([{ field: 'body', message: 'must be an object' }]);
  });

  it('is in a parameter too, by its name', () => {
    expect(flawsOf('a\0', String, 'id').named).toMatchObject([{ field: 'id' }]);
    expect(flawsOf(['a', 'b'], String, 'id').named).toMatchObject([{ field: 'id', message: 'must be a string' }]);
  });

  it('is named once, and only counted when there are very many', () => {
    const strangers = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`x${i}`, {}]));
    const { named, count } = flawsOf({ ...good, ...strangers }, Order);
    expect([named.length, count]).toEqual([MAX_NAMED, 5000]);
  });

  it('says no more of a name than fits into a line, whatever it is', () => {
    const [flaw] = flawsOf({ ...good, [`\r\n${'x'.repeat(60_000)}`]: 1 }, Order).named;
    expect(flaw!.field).toMatch(/^\["\\r\\nx{62}"\]$/);
  });

  it('is found without a look at all of what is refused', () => {
    let looks = 0;
    const members = new Proxy(
      Array.from({ length: 20_000 }, () => ({})),
      {
        get: (target, key, receiver) => (looks++, Reflect.get(target, key, receiver) as unknown),
      },
    );
    expect(fieldsIn({ lines: members })).toEqual(['lines']);
    expect(looks).toBeLessThan(20);
    expect(flawsOf({ ...good, lines: nested(20_000) }, Order).named).toMatchObject([{ field: 'lines[0]' }]);
  });
});
