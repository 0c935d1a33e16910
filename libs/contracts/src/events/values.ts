import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsInt,
  IsISO8601,
  IsNotEmpty,
  IsRFC3339,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';

/** The largest quantity of one line, in pieces. */
export const MAX_QUANTITY = 10_000;
/** The most lines one order may have. */
export const MAX_LINES = 50;

/** The largest amount of money, in minor units: what the databases hold. */
export const MAX_AMOUNT = 2_147_483_647;

/** A moment as RFC 3339 writes it: a real date, a time and a zone. The one rule knows the form, the other the calendar. */
export const IsTimestamp = (): PropertyDecorator => (target, property) => {
  IsRFC3339()(target, property);
  IsISO8601({ strict: true, strictSeparator: true })(target, property);
  MaxLength(35)(target, property);
};

/** An amount of money in integer minor units (cents), with its ISO 4217 currency. */
export class Money {
  @IsInt() @Min(0) @Max(MAX_AMOUNT) amount!: number;
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
