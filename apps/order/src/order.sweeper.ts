import { Inject, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { inTrace, isAway, Participant, PG_POOL } from '@pavane/outbox';
import { Intake, Loop } from '@pavane/service';
import type { Pool } from 'pg';
import type { Order, OrderFact, OrderMessage } from './order.js';

const SWEEP_EVERY_MS = 1000;
/** How long past its deadline an order waits for the timer before the sweeper takes over. */
const TIMER_GRACE_MS = 2000;
/** How long after an ending its echoes may take before it is said again; the wait doubles each time. */
const ECHO_AFTER_MS = 60_000;
const MOST_TIMES = 8;

/**
 * The safety net under the saga: ends orders whose timer never came, and says an ending again that not everybody was seen
 * to act on.
 */
@Injectable()
export class OrderSweeper implements OnApplicationBootstrap {
  readonly #log = new Logger('Sweeper');

  constructor(
    @Inject(PG_POOL) private readonly pool: Pool,
    private readonly orders: Participant<Order, OrderMessage, OrderFact>,
    private readonly intake: Intake,
  ) {}

  onApplicationBootstrap(): void {
    const loop = new Loop(() => this.sweep(), {
      everyMs: SWEEP_EVERY_MS,
      onError: (error) => isAway(error) || this.#log.error(`sweep failed: ${String(error)}`),
    });
    this.intake.add('sweeper', () => loop.stop());
    loop.start();
  }

  /** Does one round. */
  async sweep(): Promise<void> {
    await Promise.all([this.#late(), this.#unechoed()]);
  }

  async #late(): Promise<void> {
    const { rows } = await this.pool.query<{ id: string; deadlineAt: Date; traceparent: string | null }>(
      `SELECT id, deadline_at AS "deadlineAt", traceparent FROM orders WHERE status = 'pending' AND deadline_at < now() - $1 * interval '1 ms' ORDER BY deadline_at LIMIT 200`,
      [TIMER_GRACE_MS],
    );
    await Promise.all(
      rows.map(({ id, deadlineAt, traceparent }) =>
        inTrace(traceparent, () =>
          this.orders.handle({ type: 'timers.deadline', orderId: id, data: { deadlineAt: deadlineAt.toISOString() } }),
        ),
      ),
    );
  }

  async #unechoed(): Promise<void> {
    // Claimed by moving the clock of the next try, so that two instances do not both say it.
    const { rows } = await this.pool.query<{ id: string; traceparent: string | null }>(
      `UPDATE orders SET resaid = resaid + 1, resaid_at = now() WHERE id IN (
         SELECT id FROM orders WHERE status <> 'pending' AND resaid < $2 AND ended_at > now() - interval '1 day'
           AND coalesce(resaid_at, ended_at) < now() - $1 * 2 ^ resaid * interval '1 ms'
           AND NOT (noted && '{notifications.sent,notifications.failed}'
             AND (status = 'confirmed' OR (noted @> '{payments.completed}') <= (noted @> '{payments.refunded}')
               AND (noted @> '{inventory.reserved}') <= (noted @> '{inventory.released}')))
         LIMIT 100 FOR UPDATE SKIP LOCKED)
       RETURNING id, traceparent`,
      [ECHO_AFTER_MS, MOST_TIMES],
    );
    if (rows.length > 0) this.#log.warn('endings without an echo were said again', { orders: rows.length });
    await Promise.all(
      rows.map(({ id, traceparent }) =>
        inTrace(traceparent, () => this.orders.handle({ type: 'resay', orderId: id, data: {} })),
      ),
    );
  }
}
