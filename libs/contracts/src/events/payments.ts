import { Type } from 'class-transformer';
import { IsDefined, IsIn, ValidateNested } from 'class-validator';
import { Money, WithItems } from './values.js';

/** The money is captured, once. Carries the items because inventory acts on it. */
export class PaymentsCompleted extends WithItems {
  @IsDefined() @ValidateNested() @Type(() => Money) amount!: Money;
}

/** The provider said no, or the deadline had passed before a charge was started. No money moved. */
export class PaymentsFailed {
  @IsIn(['declined', 'deadline_passed']) reason!: 'declined' | 'deadline_passed';
}

/** Captured money was given back in full. */
export class PaymentsRefunded {
  @IsDefined() @ValidateNested() @Type(() => Money) amount!: Money;
}
