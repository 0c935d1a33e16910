import { Type } from 'class-transformer';
import { ArrayMaxSize, ArrayMinSize, IsInt, IsString, Max, MaxLength, Min, ValidateNested } from 'class-validator';
import { MAX_LINES, MAX_QUANTITY, WithItems } from './values.js';

/** All lines of the order are set aside. */
export class InventoryReserved extends WithItems {}

/** One line that could not be set aside. */
export class Shortage {
  @IsString() @MaxLength(64) sku!: string;
  @IsInt() @Min(1) @Max(MAX_QUANTITY * MAX_LINES) requested!: number;
  @IsInt() @Min(0) available!: number;
}

/** At least one line could not be set aside, so none was. */
export class InventoryRejected {
  @ValidateNested({ each: true })
  @Type(() => Shortage)
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_LINES)
  shortages!: Shortage[];
}

/** What was set aside is available again. */
export class InventoryReleased extends WithItems {}
