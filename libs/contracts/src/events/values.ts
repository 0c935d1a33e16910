import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsInt,
  IsISO8601,
  IsNotEmpty,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateBy,
  ValidateNested,
} from 'class-validator';

/** The largest quantity of one line, in pieces. */
export const MAX_QUANTITY = 10_000;
/** The most lines one order may have. */
export const MAX_LINES = 50;

const WITH_ZONE = /T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** A moment as RFC 3339 writes it: a date that the calendar has, a time and a zone. */
export const IsTimestamp = (): PropertyDecorator => (target, property) => {
  IsISO8601({ strict: true, strictSeparator: true })(target, property);
  ValidateBy({
    name: 'hasZone',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && WITH_ZONE.test(value),
      defaultMessage: () => '$property must be a date and a time with a zone, as in RFC 3339',
    },
  })(target, property);
};

/** An amount of money in integer minor units (cents), with its ISO 4217 currency. */
export class Money {
  @IsInt() @Min(0) amount!: number;
  @IsString() @Length(3, 3) currency!: string;
}

/** One line of an order: how many pieces of which stock-keeping unit. */
export class OrderItem {
  @IsString() @IsNotEmpty() @MaxLength(64) @Matches(/^[A-Za-z0-9._-]+$/) sku!: string;
  @IsInt() @Min(1) @Max(MAX_QUANTITY) quantity!: number;
}

/** What every event about goods carries. */
export class WithItems {
  @ValidateNested({ each: true }) @Type(() => OrderItem) @ArrayMinSize(1) @ArrayMaxSize(MAX_LINES) items!: OrderItem[];
}
