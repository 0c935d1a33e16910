import { inspect, types } from 'node:util';

/**
 * Something a message needs is unavailable (the database, the payment provider, the broker itself). The message is kept
 * and tried again, and never ends as a dead letter. While nothing else succeeds either, the durable rests.
 */
export class RetryLater extends Error {
  readonly code = 'RETRY_LATER';
  /** Wait at least this long, in milliseconds, before the next attempt. Without it the back-off decides. */
  readonly delayMs: number | undefined;
  /** Whether somebody who answers has said no, for a reason that may lie in what was asked. */
  readonly refused: boolean;

  constructor(message: string, options: { cause?: unknown; delayMs?: number; refused?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.name = 'RetryLater';
    this.delayMs = options.delayMs;
    this.refused = options.refused ?? false;
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
  return readText(() => (error as { code?: unknown } | null | undefined)?.code) === code;
}

/**
 * Whatever was thrown, as an error that can be told: Nest's exception layer and RpcException hand on plain objects and
 * strings, and nothing keeps a handler from throwing null, a BigInt, or an object that refers to itself.
 */
export function toError(thrown: unknown): Error {
  const message = typeof thrown === 'string' ? thrown : readText(() => (thrown as Error | null | undefined)?.message);
  if (types.isNativeError(thrown) && message !== undefined && readText(() => thrown.name) !== undefined) return thrown;
  const error = new Error(message ?? shown(thrown), { cause: thrown });
  const code = readText(() => (thrown as { code?: unknown } | null | undefined)?.code);
  return code === undefined ? error : Object.assign(error, { code });
}

function shown(thrown: unknown): string {
  try {
    return inspect(thrown, { depth: 2, breakLength: Number.POSITIVE_INFINITY, maxStringLength: 256 });
  } catch {
    return 'a value was thrown that cannot be shown';
  }
}

/** A property that may be a getter which throws itself. */
function readText(read: () => unknown): string | undefined {
  try {
    const value = read();
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
