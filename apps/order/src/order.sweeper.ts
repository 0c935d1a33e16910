import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { metrics } from '@opentelemetry/api';
import { streamOf } from '@pavane/contracts';
import { JetStreamPublisher } from '@pavane/jetstream';
import { inTrace, isAway, Relay } from '@pavane/outbox';
import { Intake, Loop } from '@pavane/service';
import type { OrderMessage } from './order.js';
import { Orders, OrderStore, type Unattended, type Unechoed } from './order.store.js';

const SWEEP_EVERY_MS = 1000;
const AT_ONCE = 200;

/**
 * The safety net under the saga: ends orders whose timer never came, and says an ending again that not everybody was seen
 * to act on; within the first hour only when the broker has lost it, since whoever is behind would fall further behind.
 */
@Injectable()
export class OrderSweeper implements OnApplicationBootstrap {
  readonly #log = new Logger('Sweeper');
  #oldestOverdueSeconds = 0;

  constructor(
    private readonly store: OrderStore,
    private readonly orders: Orders,
    private readonly intake: Intake,
    private readonly broker: JetStreamPublisher,
    private readonly relay: Relay,
  ) {
    metrics
      .getMeter('@pavane/order')
      .createObservableGauge('order_oldest_overdue_seconds', {
        description: 'How long the deadline of the oldest order has passed that should have ended by now',
      })
      .addCallback((result) => result.observe(this.#oldestOverdueSeconds));
  }

  onApplicationBootstrap(): void {
    const loop = new Loop(() => this.sweep(), {
      everyMs: SWEEP_EVERY_MS,
      onError: (error) => isAway(error) || this.#log.error(`sweep failed: ${(error as Error).message}`),
    });
    this.intake.add('sweeper', () => loop.stop());
    loop.start();
  }

  /** Does one round. */
  async sweep(): Promise<void> {
    const late = await this.store.late(AT_ONCE);
    this.#oldestOverdueSeconds = late[0] ? (Date.now() - late[0].deadlineAt.getTime()) / 1000 : 0;
    for (const order of late) {
      await this.#say(order, {
        type: 'timers.deadline',
        orderId: order.id,
        data: { deadlineAt: order.deadlineAt.toISOString() },
      });
    }
    const unechoed = await this.store.unechoed(AT_ONCE);
    const onTheirWay = await Promise.all(unechoed.map((order) => this.#isOnItsWay(order)));
    const ids = (are: boolean) => unechoed.flatMap(({ id }, i) => (onTheirWay[i] === are ? [id] : []));
    await this.store.awaitEchoes(ids(true));
    for (const order of await this.store.claimUnechoed(ids(false))) {
      this.#log.warn('an ending without an echo is said again', { orderId: order.id, times: order.resaid });
      await this.#say(order, { type: 'resay', orderId: order.id, data: {} });
    }
    for (const id of await this.store.giveUpUnechoed()) {
      this.#log.error(
        'an ending was said again and again and nobody was seen to act on it; look into the services that should have',
        { orderId: id },
      );
    }
  }

  /**
   * Whether the ending, or what somebody said to it, has not been published yet or not been heard by everybody, this service
   * included: it waits in a line then, and what is said again would join the end of it. True also when nobody can tell.
   */
  async #isOnItsWay({ id, status, endedAt, isRecent }: Unechoed): Promise<boolean> {
    if (!isRecent) return false;
    if (endedAt.getTime() >= Date.now() - this.relay.oldestUnpublishedMs()) return true;
    return this.broker.holds(streamOf(`orders.${status}`), `*.*.${id}`).catch(() => true);
  }

  /** One order that cannot be helped must not keep the others waiting. */
  async #say({ id, traceparent }: Unattended, message: OrderMessage): Promise<void> {
    try {
      await inTrace(traceparent, () => this.orders.handle(message));
    } catch (error) {
      this.#log.warn(`could not be swept and will be tried again: ${String(error)}`, { orderId: id });
    }
  }
}
