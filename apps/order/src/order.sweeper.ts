import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { inTrace, isAway, Participant } from '@pavane/outbox';
import { Intake, Loop } from '@pavane/service';
import { OrderStore } from './order.store.js';
import type { Order, OrderFact, OrderMessage } from './order.js';

const SWEEP_EVERY_MS = 1000;
const AT_ONCE = 200;

/**
 * The safety net under the saga: ends orders whose timer never came, and says an ending again that not everybody was seen
 * to act on.
 */
@Injectable()
export class OrderSweeper implements OnApplicationBootstrap {
  readonly #log = new Logger('Sweeper');

  constructor(
    private readonly store: OrderStore,
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
    for (const { id, deadlineAt, traceparent } of await this.store.late(AT_ONCE)) {
      const data = { deadlineAt: deadlineAt.toISOString() };
      await inTrace(traceparent, () => this.orders.handle({ type: 'timers.deadline', orderId: id, data }));
    }
    for (const { id, traceparent } of await this.store.claimUnechoed(AT_ONCE)) {
      this.#log.warn('an ending without an echo is said again', { orderId: id });
      await inTrace(traceparent, () => this.orders.handle({ type: 'resay', orderId: id, data: {} }));
    }
  }
}
