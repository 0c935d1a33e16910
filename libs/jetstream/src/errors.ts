/**
 * A dependency is away (the database, the payment provider, the broker itself). The message is kept, the
 * durable stops pulling, probes with growing pauses and resumes. Never ends as a dead letter.
 */
export class RetryLater extends Error {
  readonly code = 'RETRY_LATER';
  /** Wait at least this long, in milliseconds, before the next attempt. Without it the back-off decides. */
  readonly delayMs: number | undefined;

  constructor(message: string, options: { cause?: unknown; delayMs?: number } = {}) {
    super(message, { cause: options.cause });
    this.name = 'RetryLater';
    this.delayMs = options.delayMs;
  }
}

/** Poison: no later attempt can succeed. The message becomes a dead letter at once. */
export class Unprocessable extends Error {
  readonly code = 'UNPROCESSABLE';

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'Unprocessable';
  }
}

/** The broker will never take this message (too large, refused by the stream, subject not valid): do not retry. */
export class PublishRejected extends Error {
  readonly code = 'PUBLISH_REJECTED';

  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'PublishRejected';
  }
}

/** Recognised by `code`, not by class: two installed copies of this package must still understand each other. */
export function isRetryLater(error: unknown): error is RetryLater {
  return hasCode(error, 'RETRY_LATER');
}

export function isUnprocessable(error: unknown): error is Unprocessable {
  return hasCode(error, 'UNPROCESSABLE');
}

function hasCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && (error as { code?: unknown }).code === code;
}

/** Nest's exception layer and RpcException hand on plain objects and strings as errors. */
export function toError(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  if (typeof thrown === 'string') return new Error(thrown);
  const { message, code } = (thrown ?? {}) as { message?: unknown; code?: unknown };
  const error = new Error(typeof message === 'string' ? message : JSON.stringify(thrown), { cause: thrown });
  return code === undefined ? error : Object.assign(error, { code });
}
