import {
  applyDecorators,
  type ArgumentsHost,
  Catch,
  type RpcExceptionFilter,
  UseFilters,
  UsePipes,
  ValidationPipe,
} from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import type { ValidationError } from 'class-validator';
import { type Observable, throwError } from 'rxjs';
import { Unprocessable } from './errors.js';
import { JETSTREAM, type Subscription } from './subscription.js';

// Nest types the decorator so that a handler with a typed second parameter does not compile (TS1241).
const eventPattern = EventPattern as (subject: string, transport: symbol, extras: object) => MethodDecorator;

/**
 * Marks a controller's method as the handler of a durable's events. The payload is validated against the class of
 * the `@Payload()` parameter: unknown and wrong fields are `Unprocessable`. What the method throws reaches the
 * transport as it is; a `@UseFilters` written above this decorator comes first.
 */
export function JetStreamEvent(subscription: Subscription, options: { concurrency?: number } = {}): MethodDecorator {
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
const payloads = new ValidationPipe({
  whitelist: true,
  forbidNonWhitelisted: true,
  transform: true,
  exceptionFactory: (errors) =>
    new Unprocessable(
      `The payload is not valid: ${errors.flatMap((error) => describe(error)).join('; ')}. Correct the publisher, then replay the dead letter.`,
    ),
});

function describe(error: ValidationError, path = ''): string[] {
  const field = `${path}${error.property}`;
  const own = Object.values(error.constraints ?? {}).map((rule) => `${field}: ${rule}`);
  return [...own, ...(error.children ?? []).flatMap((child) => describe(child, `${field}.`))];
}
