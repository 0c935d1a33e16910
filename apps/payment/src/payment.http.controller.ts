import {
  Controller,
  Get,
  HttpCode,
  Logger,
  Param,
  ParseUUIDPipe,
  Post,
  type RawBodyRequest,
  Req,
} from '@nestjs/common';
import { defineProblems, problem } from '@pavane/service';
import { isUUID } from 'class-validator';
import type { Request } from 'express';
import type { Payment } from './payment.js';
import { type Notice, PaymentProvider, UntrustedNotice } from './payment.provider.js';
import { PaymentReconciler } from './payment.reconciler.js';
import { PaymentStore } from './payment.store.js';

defineProblems({
  'payment-unknown': { status: 404, title: 'There is no payment for such an order' },
  'notice-untrusted': { status: 401, title: 'The notice is not signed by the payment provider' },
});

/** How a payment stands: `pending` while the provider is asked, `waiting` while its customer has to do something. */
interface PaymentView {
  status: 'pending' | 'waiting' | 'captured' | 'failed' | 'refunded';
  /** Where the customer completes a payment that waits. */
  customerUrl?: string;
}
const VIEWS: Record<Payment['status'], PaymentView['status']> = {
  ...{ none: 'pending', intended: 'pending', captured: 'captured' },
  ...{ refused: 'failed', failed: 'failed', voided: 'failed' },
  ...{ refund_pending: 'refunded', refunded: 'refunded' },
};

/** The HTTP door of the payment service: for customers who are waited for, and for notices of the payment provider. */
@Controller()
export class PaymentHttpController {
  readonly #log = new Logger('Webhooks');

  constructor(
    private readonly provider: PaymentProvider,
    private readonly store: PaymentStore,
    private readonly reconciler: PaymentReconciler,
  ) {}

  @Get('payments/:id')
  async payment(@Param('id', ParseUUIDPipe) id: string): Promise<PaymentView> {
    const payment = await this.store.find(id);
    if (!payment) throw problem(404, 'payment-unknown', { detail: 'It is known shortly after its order is accepted.' });
    const { status, customerUrl } = payment;
    return status === 'intended' && customerUrl ? { status: 'waiting', customerUrl } : { status: VIEWS[status] };
  }

  /**
   * Has the provider asked about the order at once, if its payment is still open. What a notice says of the payment is
   * not used, so that one that is late, repeated or about nothing known does no harm.
   */
  @Post('webhooks/payments')
  @HttpCode(204)
  async notice(@Req() { headers, rawBody }: RawBodyRequest<Request>): Promise<void> {
    const orderId = this.#orderOf({
      header: (name) => headers[name]?.toString(),
      body: rawBody ?? Buffer.alloc(0),
    });
    if (isUUID(orderId) && (await this.store.askNow(orderId!))) this.reconciler.poke();
  }

  #orderOf(notice: Notice): string | undefined {
    try {
      return this.provider.orderOf(notice);
    } catch (error) {
      if (!(error instanceof UntrustedNotice)) throw error;
      this.#log.warn(`a notice was refused: ${error.message}`);
      throw problem(401, 'notice-untrusted', { detail: 'Sign it with the secret that is shared with this service.' });
    }
  }
}
