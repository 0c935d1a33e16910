import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import { isAway } from '@pavane/outbox';
import { currentTraceId } from '@pavane/telemetry';
import type { Request, Response } from 'express';
import { throwError } from 'rxjs';
import { problem, ProblemException, titleOf, typeOf } from './problems.js';

/** Seconds a client is asked to wait while a dependency is away. */
const RETRY_AFTER = 2;

/** The transport's word for a dependency that is away, and what Prisma says when it cannot reach or use the database. */
const OUTAGE = /^(RETRY_LATER|P1001|P1002|P1008|P1017|P2024)$/;

/** How far a chain of causes is followed in search of an outage. */
const DEPTH = 5;

/** Answers every error as `application/problem+json` (RFC 9457). What it does not know stays inside and in the log. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  catch(exception: unknown, host: ArgumentsHost): unknown {
    // Errors of event handlers have their own meaning to the transport.
    if (host.getType() !== 'http') return throwError(() => exception);
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    const known = asProblem(exception);
    if (known.given.isLogged !== false) this.log(known, exception, request);
    if (response.headersSent) return void response.destroy();
    const status = known.getStatus();
    const { detail, errors, retryAfter } = known.given;
    if (retryAfter !== undefined) response.setHeader('Retry-After', String(retryAfter));
    const body = {
      type: known.slug ? typeOf(known.slug) : 'about:blank',
      title: titleOf(known.slug, status),
      status,
      detail,
      instance: request.originalUrl.split('?')[0],
      errors,
      traceId: currentTraceId(),
    };
    response.status(status).type('application/problem+json').send(JSON.stringify(body));
    return undefined;
  }

  private log(known: ProblemException, exception: unknown, request: Request): void {
    const about = { method: request.method, path: request.originalUrl.split('?')[0], status: known.getStatus() };
    const cause = known.given.cause ?? exception;
    if (known.getStatus() === 503) this.logger.warn('turned a request away', { ...about, reason: messageOf(cause) });
    else if (known.getStatus() >= 500) this.logger.error('request failed', cause, about);
  }
}

/** What a client may know about an error. */
export function asProblem(exception: unknown): ProblemException {
  if (exception instanceof ProblemException) return exception;
  if (isOutage(exception)) {
    return problem(503, 'temporarily-unavailable', {
      detail: 'Send the same request again in a moment.',
      retryAfter: RETRY_AFTER,
      cause: exception,
    });
  }
  const status = statusOf(exception);
  const message = messageOf(exception);
  if (exception instanceof HttpException && status === 404 && /^Cannot [A-Z]+ /.test(message)) {
    return problem(404, 'unknown-route', { detail: message });
  }
  if (status !== undefined)
    return problem(status, status === 400 ? 'invalid-request' : '', { detail: message, cause: exception });
  return problem(500, 'internal-error', {
    detail: 'The cause has been logged. Quote the traceId when you report it.',
    cause: exception,
  });
}

function isOutage(exception: unknown): boolean {
  let at = exception;
  for (let depth = 0; depth < DEPTH && at; depth++) {
    const { code, cause } = at as { code?: unknown; cause?: unknown };
    if ((typeof code === 'string' && OUTAGE.test(code)) || isAway(at)) return true;
    at = cause;
  }
  return false;
}

/** Nest's own exceptions, and the errors of Express middleware, which carry their status as a property. */
function statusOf(exception: unknown): number | undefined {
  if (exception instanceof HttpException) return exception.getStatus();
  const { status, expose } = (exception ?? {}) as { status?: unknown; expose?: unknown };
  return typeof status === 'number' && expose === true ? status : undefined;
}

function messageOf(exception: unknown): string {
  return exception instanceof Error ? exception.message : String(exception);
}
