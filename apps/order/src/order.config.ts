import { Duration, Integer, ServiceConfig } from '@pavane/service';

/** What the order service reads from its environment. */
export class OrderConfig extends ServiceConfig {
  /** How long an order may take before it is cancelled. */
  @Duration({ min: 1000, example: '15m' }) ORDER_DEADLINE = 15 * 60_000;
  /** New orders are refused while the oldest unpublished message is older than this. */
  @Duration({ min: 1000, example: '15m' }) OUTBOX_MAX_AGE = 15 * 60_000;
  /** Event streams of orders this instance serves at a time; who comes beyond is asked to come later. */
  @Integer({ min: 1 }) ORDER_FOLLOWERS = 1000;
}
