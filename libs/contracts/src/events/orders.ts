import { Type } from 'class-transformer';
import { IsDefined, IsEmail, IsIn, IsString, Length, ValidateNested } from 'class-validator';
import { IsTimestamp, Money, WithItems } from './values.js';

/** Why an order was cancelled; `GET /orders/:id` answers the same words. */
export const CANCEL_REASONS = ['payment_failed', 'out_of_stock', 'deadline_passed', 'customer_request'] as const;
export type CancelReason = (typeof CANCEL_REASONS)[number];

/** A customer placed an order; prices are the catalogue's at that moment. */
export class OrdersCreated extends WithItems {
  @IsString() @Length(1, 64) customerId!: string;
  @IsEmail() email!: string;
  @IsDefined() @ValidateNested() @Type(() => Money) total!: Money;
  @IsString() @Length(1, 64) paymentMethod!: string;
  /** No charge may start after this moment (UTC). */
  @IsTimestamp() deadlineAt!: string;
}

/** The order ended well: paid and reserved. */
export class OrdersConfirmed extends WithItems {
  @IsEmail() email!: string;
  @IsDefined() @ValidateNested() @Type(() => Money) total!: Money;
}

/** The order ended without a sale; whoever acted on it undoes that. */
export class OrdersCancelled {
  @IsIn(CANCEL_REASONS) reason!: CancelReason;
  @IsEmail() email!: string;
  @IsDefined() @ValidateNested() @Type(() => Money) total!: Money;
}

/** The order's deadline has come (a scheduled message the order service set when the order was placed). */
export class TimersDeadline {
  @IsTimestamp() deadlineAt!: string;
}
