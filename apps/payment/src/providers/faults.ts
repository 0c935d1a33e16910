import { setTimeout as delay } from 'node:timers/promises';
import type { FlagTable } from '@pavane/contracts';
import type { Flags } from '@pavane/flags';
import { type Answer, type Notice, type Payable, PaymentProvider, type Unknown } from '../payment.provider.js';

/** A provider that answers late or declines as the flags `faults.payment.*` say; in production they are refused. */
export class FaultyPaymentProvider extends PaymentProvider {
  constructor(
    private readonly real: PaymentProvider,
    private readonly flags: Flags<FlagTable>,
  ) {
    super();
  }

  async charge(payment: Payable): Promise<Answer | Unknown> {
    await delay(await this.flags.number('faults.payment.latency-ms'));
    if (shareOf(payment.orderId) >= (await this.flags.number('faults.payment.decline-rate')))
      return this.real.charge(payment);
    // An earlier try may have captured before the flag was set: what the provider did stands.
    const voided = await this.real.void(payment);
    return voided.type === 'voided' ? { ...voided, type: 'declined' } : voided;
  }

  void(payment: Payable): Promise<Answer | Unknown> {
    return this.real.void(payment);
  }

  refund(payment: Payable): Promise<boolean> {
    return this.real.refund(payment);
  }

  orderOf(notice: Notice): string | undefined {
    return this.real.orderOf(notice);
  }
}

/** A number in [0, 1) that stays the same for an order, so that asking again gives the same answer. */
const shareOf = (orderId: string): number => Number.parseInt(orderId.slice(-8), 16) / 2 ** 32;
