import { Controller, Headers, Param, Res, Sse, SseSignal } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { EMPTY, type Observable } from 'rxjs';
import { type FollowerEvent, OrderFollowers } from './order.followers.js';
import { EVENT_ID_WRONG, isOrderId, orderProblem } from './order.problems.js';

/** Characters that wait for a follower who does not read before it is cut off; a whole history is shorter. */
const MAX_PENDING = 16_384;

/** Where orders are followed. */
@ApiTags('orders')
@Controller()
export class FollowersHttpController {
  constructor(private readonly followers: OrderFollowers) {}

  /**
   * The order's history as it happens (server-sent events), until it has ended and been seen to. Who comes back with the id
   * of the last event gets what follows, and 204 when nothing does, so that an `EventSource` stays closed.
   */
  @Sse('orders/:id/events', { maxPendingDataLength: MAX_PENDING })
  @ApiHeader({ name: 'Last-Event-ID', required: false })
  @ApiNoContentResponse({ description: 'Nothing follows the event of this id' })
  async events(
    @Param('id', isOrderId) id: string,
    @Headers('last-event-id') last: string | undefined,
    @SseSignal() closed: AbortSignal,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Observable<FollowerEvent>> {
    if (last && !/^\d{1,9}$/.test(last)) throw orderProblem('invalid-request', { errors: [EVENT_ID_WRONG] });
    const events = await this.followers.follow(id.toLowerCase(), Number(last ?? 0), closed);
    if (events) return events;
    response.status(204).end();
    return EMPTY;
  }
}
