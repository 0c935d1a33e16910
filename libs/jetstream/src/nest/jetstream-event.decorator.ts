import {
  applyDecorators,
  type ArgumentsHost,
  Catch,
  type RpcExceptionFilter,
  UseFilters,
  UsePipes,
} from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { type Observable, throwError } from 'rxjs';
import type { HandlerPolicy } from '../consume/binding.js';
import { PayloadPipe } from '../payload.pipe.js';
import { JETSTREAM, type Subscription } from './subscription.js';

// Nest types the decorator so that a handler with a typed second parameter does not compile (TS1241).
const eventPattern = EventPattern as (subject: string, transport: symbol, extras: object) => MethodDecorator;

/**
 * Marks a controller's method as the handler of a durable's events. The payload is validated against the class of
 * the `@Payload()` parameter: unknown and wrong fields are `Unprocessable`. What the method throws reaches the
 * transport as it is; a `@UseFilters` written above this decorator comes first.
 */
export function JetStreamEvent(subscription: Subscription, options: HandlerPolicy = {}): MethodDecorator {
  return applyDecorators(
    eventPattern(subscription.subject, JETSTREAM, { ...subscription, ...options }),
    UsePipes(payloads),
    UseFilters(asThrown),
  );
}

/** Nest's own filter would turn every error it does not know into 'Internal server error'. */
@Catch()
class AsThrown implements RpcExceptionFilter {
  catch(error: unknown, _host: ArgumentsHost): Observable<never> {
    return throwError(() => error);
  }
}

const asThrown = new AsThrown();
const payloads = new PayloadPipe();
