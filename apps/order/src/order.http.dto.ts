import { ApiProperty } from '@nestjs/swagger';
import { type CancelReason, CANCEL_REASONS, MAX_LINES, MAX_QUANTITY, Money, OrderItem } from '@pavane/contracts';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsEmail,
  IsInt,
  IsString,
  Length,
  Matches,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';

const SKU = /^[A-Za-z0-9._-]+$/;
const PRINTABLE = /^[\x20-\x7e]+$/;

export class OrderLine implements OrderItem {
  @ApiProperty({ example: 'TEAPOT', minLength: 1, maxLength: 64, pattern: SKU.source })
  @IsString()
  @Length(1, 64)
  @Matches(SKU)
  sku!: string;

  @ApiProperty({ type: 'integer', example: 2, minimum: 1, maximum: MAX_QUANTITY })
  @IsInt()
  @Min(1)
  @Max(MAX_QUANTITY)
  quantity!: number;
}

/** The body of `POST /orders`. Prices are not in it: they come from the catalogue. */
export class OrderRequest {
  @ApiProperty({ example: 'customer-1', minLength: 1, maxLength: 64, pattern: PRINTABLE.source })
  @IsString()
  @Length(1, 64)
  @Matches(PRINTABLE, { message: '$property must consist of printable ASCII characters' })
  customerId!: string;

  @ApiProperty({ example: 'ada@example.com', format: 'email' })
  @IsEmail()
  email!: string;

  @ApiProperty({ type: [OrderLine], minItems: 1, maxItems: MAX_LINES })
  @ValidateNested({ each: true })
  @Type(() => OrderLine)
  @ArrayMinSize(1)
  @ArrayMaxSize(MAX_LINES)
  items!: OrderLine[];

  @ApiProperty({ example: 'card_ok', minLength: 1, maxLength: 64 })
  @IsString()
  @Length(1, 64)
  paymentMethod!: string;
}

export class HistoryEntry {
  @ApiProperty() event!: string;
  @ApiProperty({ format: 'date-time' }) at!: Date;
}

/** An order as `GET /orders/:id` answers it. */
export class OrderView {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ enum: ['pending', 'confirmed', 'cancelled'] }) status!: 'pending' | 'confirmed' | 'cancelled';
  @ApiProperty({ enum: CANCEL_REASONS, required: false }) reason?: CancelReason;
  @ApiProperty({ type: [OrderLine] }) items!: OrderItem[];
  @ApiProperty({ type: Object, example: { amount: 9800, currency: 'EUR' } }) total!: Money;
  @ApiProperty({ format: 'date-time' }) createdAt!: Date;
  @ApiProperty({ format: 'date-time' }) deadlineAt!: Date;
  @ApiProperty({ type: [HistoryEntry] }) history!: HistoryEntry[];
}
