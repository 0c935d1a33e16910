import { Type } from 'class-transformer';
import { ArrayMinSize, IsInt, IsString, Min, ValidateNested } from 'class-validator';
import { WithItems } from './values.js';

/** All lines of the order are set aside. */
export class InventoryReserved extends WithItems {}

/** One line that could not be set aside. */
export class Shortage {
  @IsString() sku!: string;
  @IsInt() @Min(1) requested!: number;
  @IsInt() @Min(0) available!: number;
}

/** At least one line could not be set aside, so none was. */
export class InventoryRejected {
  @ValidateNested({ each: true }) @Type(() => Shortage) @ArrayMinSize(1) shortages!: Shortage[];
}

/** What was set aside is available again. */
export class InventoryReleased extends WithItems {}
