import { IsIn, IsString, MaxLength } from 'class-validator';

/** The two ways an order ends. */
export const OUTCOMES = ['confirmed', 'cancelled'] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** The mail server took responsibility for the message. */
export class NotificationsSent {
  @IsIn(OUTCOMES) outcome!: Outcome;
  /** The RFC 5322 Message-ID, the same for every try. */
  @IsString() @MaxLength(320) messageId!: string;
}

/** The mail server refused the message for good. */
export class NotificationsFailed {
  @IsIn(OUTCOMES) outcome!: Outcome;
  @IsString() @MaxLength(500) reason!: string;
}
