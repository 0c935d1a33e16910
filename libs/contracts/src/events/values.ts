import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsInt,
  IsNotEmpty,
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
