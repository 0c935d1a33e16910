import { type ArgumentMetadata, BadRequestException, ValidationPipe } from '@nestjs/common';
import { Exclude, plainToInstance, Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsDate,
  IsDefined,
  IsEmail,
  IsIn,
  IsInt,
  IsISO8601,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  Validate,
  ValidateIf,
  ValidateNested,
  ValidatorConstraint,
  type ValidatorConstraintInterface,
} from 'class-validator';
import fc from 'fast-check';
import { Unprocessable } from '../errors.js';
import { instanceOf } from './payload.instance.js';
import { PayloadPipe } from '../payload.pipe.js';
import { rulesOf } from './payload.rules.js';
import { flawsOf, MAX_NAMED } from './structure.js';

@ValidatorConstraint({ async: true })
class Slow implements ValidatorConstraintInterface {
  validate = (value: string) => Promise.resolve(value === 'x');
}

class Money {
  @IsInt() @Min(0) amount!: number;
  @IsString() @Length(3, 3) currency!: string;
}

class Item {
  @IsString() @Matches(/^[A-Z]+$/) sku!: string;
  @IsInt() @Min(1) @Max(9) quantity!: number;
}

class Patient extends Money {
  @Validate(Slow) slow!: string;
}

class WithItems {
  @ValidateNested({ each: true }) @Type(() => Item) @ArrayMinSize(1) @ArrayMaxSize(2) items!: Item[];
}

class Ordered extends WithItems {
  @IsDefined() @ValidateNested() @Type(() => Money) total!: Money;
  @IsEmail() email!: string;
  @IsISO8601() at!: string;
  @IsIn(['a', 'b']) kind!: string;
  @IsOptional() @IsString({ each: true }) tags?: string[];
  @ValidateIf(({ kind }: Ordered) => kind === 'b') @IsString() reason?: string;
  @IsOptional() @ValidateNested() @Type(() => Money) discount?: Money;
}

const good = {
  items: [{ sku: 'CUP', quantity: 2 }],
  total: { amount: 5, currency: 'EUR' },
  email: 'a@example.com',
  at: '2026-01-02T03:04:05.678Z',
  kind: 'a',
};

const about = (metatype: ArgumentMetadata['metatype']): ArgumentMetadata => ({ type: 'body', metatype });
/** The pipe without what is looked up once. */
const theirs = new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true });
const outcome = async (
  pipe: ValidationPipe,
  value: unknown,
  type: ArgumentMetadata['metatype'] = Ordered,
  copy: (value: unknown) => unknown = structuredClone,
) => {
  try {
    return { is: (await pipe.transform(copy(value), about(type))) as unknown };
  } catch (error) {
    return error instanceof BadRequestException || error instanceof Unprocessable ? 'refused' : error;
  }
};

/** A good payload, changed in one to three places. */
const changed = fc
  .array(
    fc.record({
      path: fc.constantFrom(
        'items',
        'items.0',
        'items.0.sku',
        'items.0.quantity',
        'items.1',
        'items.2',
        'items.0.extra',
        'total',
        'total.amount',
        'total.currency',
        'total.extra',
        'email',
        'at',
        'kind',
        'tags',
        'reason',
        'discount',
        'discount.amount',
        'extra',
        '__proto__',
        'constructor',
        'total.constructor',
        'items.0.__proto__',
      ),
      to: fc.oneof(
        fc.constantFrom<unknown>(
          undefined,
          null,
          '',
          'EUR',
          'CUP',
          'b',
          'x@example.com',
          '2026-01-02',
          0,
          1,
          -1,
          2.5,
          NaN,
          true,
          [],
          [[]],
          ['a'],
          [1],
          {},
          [{}],
          { sku: 'CUP', quantity: 1 },
          { amount: 1, currency: 'EUR' },
          [{ sku: 'CUP', quantity: 1 }, null],
          [
            { sku: 'CUP', quantity: 1 },
            { sku: 'CUP', quantity: 1 },
          ],
        ),
        fc.jsonValue(),
      ),
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((changes) => {
    const payload: Record<string, unknown> = structuredClone(good);
    for (const { path, to } of changes) {
      const steps = path.split('.');
      const last = steps.pop()!;
      const at = steps.reduce<unknown>(
        (one, step) => (one as Record<string, unknown> | null | undefined)?.[step],
        payload,
      );
      if (typeof at === 'object' && at !== null)
        Object.defineProperty(at, last, { value: to, enumerable: true, configurable: true, writable: true });
    }
    return payload;
  });

describe('a payload', () => {
  it('becomes an instance of its class, nested values too', async () => {
    const payload = (await new PayloadPipe().transform(good, about(Ordered))) as Ordered;
    expect(payload).toBeInstanceOf(Ordered);
    expect(payload.items[0]).toBeInstanceOf(Item);
    expect(payload.total).toBeInstanceOf(Money);
  });

  it('is taken and refused exactly as class-validator does when it is built well, whatever is changed in it', async () => {
    expect(rulesOf(Ordered)).toBeDefined();
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(changed, async (payload) => {
        const isFlawed = flawsOf(payload, Ordered).count > 0;
        const expected = isFlawed ? 'refused' : await outcome(theirs, payload);
        expect(await outcome(new PayloadPipe(), payload)).toEqual(expected);
        if (expected !== 'refused') taken++;
      }),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(40);
  });

  it('becomes the instance that class-transformer makes, whatever is changed in it, or is left to it', async () => {
    let made = 0;
    await fc.assert(
      fc.asyncProperty(changed, async (payload) => {
        const instance = instanceOf(Ordered, payload);
        if (!instance) return;
        expect(instance).toStrictEqual(plainToInstance(Ordered, payload));
        made++;
      }),
      { numRuns: 1000 },
    );
    expect(made).toBeGreaterThan(100);
    class Touched extends WithItems {
      @Transform(({ value }) => String(value)) @IsString() at!: string;
    }
    class Dated extends WithItems {
      @Type(() => Date) @IsDate() at!: Date;
    }
    class Hidden extends WithItems {
      @Exclude() @IsString() at!: string;
    }
    for (const type of [Touched, Dated, Hidden]) expect(instanceOf(type, { items: [], at: 'x' })).toBeUndefined();
  });

  it('that is none is refused, whatever it is', async () => {
    for (const value of [null, undefined, 1, 'text', [], [good], [1]])
      expect([value, await outcome(new PayloadPipe(), value)]).toEqual([value, 'refused']);
  });

  it('is taken or refused, and nothing else, whatever JSON it is', async () => {
    const texts = fc.oneof(
      fc.json({ maxDepth: 6 }),
      fc.jsonValue().map((value) => JSON.stringify({ ...good, items: value })),
      fc.integer({ min: 1, max: 5_000 }).map((deep) => `{"items":${'['.repeat(deep)}${']'.repeat(deep)}}`),
      fc.integer({ min: 1, max: 5_000 }).map((deep) => `${'{"total":'.repeat(deep)}1${'}'.repeat(deep)}`),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        const payload: unknown = JSON.parse(text);
        const found = await outcome(new PayloadPipe(), payload, Ordered, (value) => value);
        if (found !== 'refused') expect(found).toEqual({ is: expect.any(Ordered) });
      }),
      { numRuns: 500 },
    );
  });

  it.each<[string, object, string]>([
    ['a list in a list', { items: [[good.items[0]]] }, 'items\\[0\\] must be an object'],
    ['an empty list for an object', { total: [] }, 'total must be an object'],
    ['NUL', { at: 'a\0' }, 'at must not contain the character U\\+0000'],
    ['a field that is called constructor', { constructor: 1 }, 'constructor is not a known field'],
  ])('is refused with %s, by the name of the field', async (_, change, says) => {
    const refused = new PayloadPipe().transform({ ...good, ...change }, about(Ordered));
    await expect(refused).rejects.toThrow(new RegExp(says));
  });

  it('is refused whole by the next pipe, too, that is given it', async () => {
    const payload = { ...good, colour: 'red', kind: 'c' };
    for (let time = 0; time < 2; time++)
      await expect(new PayloadPipe().transform(payload, about(Ordered))).rejects.toThrow(
        /colour is not a known field; kind: kind must be one of/,
      );
  });

  it('is refused with a short reason, however much is wrong', async () => {
    class Many {
      @IsString({ each: true }) @Length(1, 3, { each: true }) tags!: string[];
      @ValidateNested({ each: true }) @Type(() => Item) items!: Item[];
    }
    const payload = { tags: ['x'], items: Array.from({ length: 200 }, () => ({})) };
    const { message } = await new PayloadPipe().transform(payload, about(Many)).then(
      () => ({ message: 'taken' }),
      (error: Error) => error,
    );
    expect(message).toContain(`and ${200 * 5 - MAX_NAMED} more`);
    expect(message.length).toBeLessThan(2000);
  });

  it.each([
    ['a check that takes time', Patient],
    ['no rules', class {}],
  ])('is left to class-validator alone when its class has %s', async (_, type) => {
    expect(rulesOf(type)).toBeUndefined();
    const value = { amount: 1, currency: 'EUR', slow: 'x' };
    expect(await outcome(new PayloadPipe(), value, type)).toEqual(await outcome(theirs, value, type));
  });
});
