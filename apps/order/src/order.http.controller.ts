import { createHash } from 'node:crypto';
import { Body, Controller, Get, Headers, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiHeader, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FlagTable } from '@pavane/contracts';
import { inTrace, Relay } from '@pavane/outbox';
import { Flags } from '@pavane/flags';
import type { Response } from 'express';
import { v7 as uuidv7 } from 'uuid';
import { Admitted } from './order.admission.interceptor.js';
import { Catalogue } from './order.catalogue.js';
import { OrderConfig } from './order.config.js';
import { OrderRequest, OrderView } from './order.http.dto.js';
import { isOrderId, KEY_MISSING, orderProblem } from './order.problems.js';
import { Orders } from './order.store.js';
import { OrderViews } from './order.views.js';
import type { Order } from './order.js';

/** The HTTP door of the order service. */
@ApiTags('orders')
@Controller()
export class OrderHttpController {
  /** Orders being placed, by key: an impatient customer's next try joins the one before. */
  private readonly placing = new Map<string, Promise<Order>>();

  constructor(
    private readonly orders: Orders,
    private readonly relay: Relay,
    private readonly views: OrderViews,
    private readonly catalogue: Catalogue,
    private readonly flags: Flags<FlagTable>,
    private readonly config: OrderConfig,
  ) {}

  /** Accepts an order; the same `Idempotency-Key` with the same body answers the same order again. */
  @Post('orders')
  @Admitted()
  @HttpCode(202)
  @ApiHeader({ name: 'Idempotency-Key', required: true })
  @ApiAcceptedResponse({ type: OrderView })
  async place(
    @Body() body: OrderRequest,
    @Headers('idempotency-key') key: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<OrderView> {
    if (!key || key.length > 255) throw orderProblem('idempotency-key-missing', { errors: [KEY_MISSING] });
    const fingerprint = createHash('sha256').update(JSON.stringify(body)).digest('hex');
    const failure = await this.accept(body, key, fingerprint).then(
      () => undefined,
      (error: unknown) => error,
    );
    // Whatever failed: what was accepted under this key before, or by another instance in the same moment, stays so.
    const order = await this.views.byKey(key, fingerprint);
    if (!order) throw failure;
    response.setHeader('Location', `/orders/${order.id}`);
    return order;
  }

  /** Resolves when an order is stored under the key, this one or one of before. */
  private async accept(body: OrderRequest, idempotencyKey: string, fingerprint: string): Promise<void> {
    if (!(await this.flags.boolean('orders.intake'))) throw orderProblem('intake-closed', { retryAfter: 30 });
    if (this.relay.oldestUnpublishedMs() > this.config.OUTBOX_MAX_AGE)
      throw orderProblem('outbox-stalled', { retryAfter: 30 });
    const total = await this.catalogue.total(body.items);
    const deadlineAt = new Date(this.orders.now().getTime() + this.config.ORDER_DEADLINE);
    const data = { ...body, total, deadlineAt, idempotencyKey, fingerprint };
    const place = () => this.orders.handle({ type: 'place', orderId: uuidv7(), data });
    const placing = this.placing.get(idempotencyKey) ?? place().finally(() => this.placing.delete(idempotencyKey));
    this.placing.set(idempotencyKey, placing);
    await placing;
  }

  @Get('orders/:id')
  @ApiOkResponse({ type: OrderView })
  order(@Param('id', isOrderId) id: string): Promise<OrderView> {
    return this.views.byId(id);
  }

  /** Cancels a pending order; 409 when it has ended otherwise. */
  @Post('orders/:id/cancel')
  @HttpCode(200)
  @ApiOkResponse({ type: OrderView })
  async cancel(@Param('id', isOrderId) asked: string): Promise<OrderView> {
    const id = asked.toLowerCase(); // as every order is stored
    const trace = await this.views.traceOf(id);
    const order = await inTrace(trace, () => this.orders.handle({ type: 'cancel', orderId: id, data: {} }));
    if (order.reason !== 'customer_request')
      throw orderProblem('order-ended', {
        detail: `Order ${id} is ${order.status}${order.reason ? ` (${order.reason})` : ''}.`,
      });
    return this.views.byId(id);
  }
}
