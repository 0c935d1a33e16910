import { Logger } from '@nestjs/common';
import { metrics } from '@opentelemetry/api';
import { RetryLater } from '@pavane/jetstream';
import type { Unknown } from '../payment.provider.js';

export interface ProviderRequest {
  /** What is asked for, as metrics and logs name it. */
  operation: string;
  orderId: string;
  method?: 'GET' | 'POST';
  /** Below the base URL; parts of it are percent-encoded. */
  path: string;
  headers?: Record<string, string>;
  body?: string;
}

export interface ProviderClientOptions {
  /** A path in it is kept. */
  url: string;
  /** How long the provider may take for a whole answer. */
  timeoutMs: number;
  /** Sent with every request. */
  headers?: Record<string, string>;
}

/** Of what the adapter did not understand, by what came instead. */
type Kind =
  | 'timeout'
  | 'no_answer'
  | 'unreachable'
  | 'redirected'
  | 'unauthorized'
  | 'not_found'
  | 'rate_limited'
  | 'refused'
  | 'server_error'
  | 'malformed';

type Body = Readonly<Record<string, unknown>>;
interface Reply {
  status: number;
  headers: Headers;
  /** Undefined when it is no JSON object. */
  body: Body | undefined;
}

/** An answer is some hundred bytes; what is this long is something else. */
const LARGEST_ANSWER = 1024 * 1024;
/** A longer `Retry-After` is a mistake more likely than a wish, and orders would pass their deadlines unasked. */
const LONGEST_PAUSE_MS = 300_000;
/** Codes of a connection that was never made: nothing was sent. */
const NOT_REACHED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);
/** Somebody has to correct the configuration, here or at the provider. */
const NEEDS_SOMEBODY = new Set<Kind>(['redirected', 'unauthorized', 'not_found']);

/**
 * How any payment provider is spoken to over HTTP. Every answer is counted by its kind, and logged when it settles
 * nothing; redirects are not followed, and `Retry-After` is honoured for all requests of this process.
 */
export class ProviderClient {
  readonly #log = new Logger('PaymentProvider');
  readonly #answers = metrics
    .getMeter('@pavane/payment')
    .createCounter('payment_provider_answers', { description: 'Answers of the payment provider, by kind' });
  #pausedUntil = 0;

  constructor(private readonly options: ProviderClientOptions) {}

  /**
   * The answer, as `understand` reads it; `unknown` when it does not, or when none came.
   * @throws RetryLater when the provider was not reached, refuses everybody, or wants to be left alone
   */
  async ask<T extends { type: string }>(
    request: ProviderRequest,
    understand: (status: number, body: Body) => T | undefined,
  ): Promise<T | Unknown> {
    const pauseMs = this.#pausedUntil - Date.now();
    if (pauseMs > 0) throw new RetryLater('the payment provider asked for a pause', { delayMs: pauseMs });
    let reply: Reply;
    try {
      reply = await this.#send(request);
    } catch (error) {
      const kind = kindOfFailure(error);
      this.#unsettled(request, kind, { error: (error as Error).message });
      if (kind === 'unreachable') throw new RetryLater('the payment provider is away', { cause: error });
      return { type: 'unknown' };
    }
    const understood = reply.body && understand(reply.status, reply.body);
    if (understood) {
      this.#answers.add(1, { operation: request.operation, kind: understood.type });
      return understood;
    }
    return this.#notUnderstood(request, reply);
  }

  #notUnderstood(request: ProviderRequest, { status, headers }: Reply): Unknown {
    const kind = kindOfStatus(status);
    const retryAfterMs = pauseAskedFor(headers.get('retry-after'), Date.now());
    this.#unsettled(request, kind, {
      status,
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(kind === 'redirected' && { location: withoutQuery(headers.get('location')) }),
    });
    if (retryAfterMs !== undefined) this.#pausedUntil = Math.max(this.#pausedUntil, Date.now() + retryAfterMs);
    const delay = retryAfterMs === undefined ? {} : { delayMs: retryAfterMs };
    // Both are said before a request is looked at, and to whoever asks.
    if (kind === 'unauthorized') throw new RetryLater('the payment provider does not know our credentials', delay);
    if (kind === 'rate_limited') throw new RetryLater('the payment provider is asked too often', delay);
    return { type: 'unknown', ...(retryAfterMs !== undefined && { retryAfterMs }) };
  }

  async #send({ method = 'POST', path, headers, body }: ProviderRequest): Promise<Reply> {
    const url = new URL(this.options.url);
    url.pathname = `${url.pathname.replace(/\/+$/, '')}${path}`;
    const response = await fetch(url, {
      method,
      // A login page answers 200 as well, and a charge would be sent to wherever it points.
      redirect: 'manual',
      headers: { ...this.options.headers, ...headers },
      ...(body !== undefined && { body }),
      signal: AbortSignal.timeout(this.options.timeoutMs),
    });
    return { status: response.status, headers: response.headers, body: jsonObject(await textOf(response)) };
  }

  #unsettled({ operation, orderId }: ProviderRequest, kind: Kind, more: object): void {
    this.#answers.add(1, { operation, kind });
    const about = { orderId, operation, kind, ...more };
    if (NEEDS_SOMEBODY.has(kind)) this.#log.error('the payment provider settled nothing', about);
    else this.#log.warn('the payment provider settled nothing', about);
  }
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > LARGEST_ANSWER) return '';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function jsonObject(text: string): Body | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? (parsed as Body) : undefined;
  } catch {
    return undefined;
  }
}

function kindOfFailure(error: unknown): Kind {
  const { name, cause } = error as Error;
  if (name === 'TimeoutError') return 'timeout';
  return NOT_REACHED.has(String((cause as { code?: unknown } | undefined)?.code)) ? 'unreachable' : 'no_answer';
}

function kindOfStatus(status: number): Kind {
  if (status < 300) return 'malformed';
  if (status < 400) return 'redirected';
  if (status >= 500) return 'server_error';
  const known: Partial<Record<number, Kind>> = { 401: 'unauthorized', 404: 'not_found', 429: 'rate_limited' };
  return known[status] ?? 'refused';
}

/** `Retry-After` in milliseconds, given in seconds or as a date; `undefined` when it is neither. */
export function pauseAskedFor(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), LONGEST_PAUSE_MS);
}

const withoutQuery = (location: string | null): string | undefined => location?.split(/[?#]/)[0];
