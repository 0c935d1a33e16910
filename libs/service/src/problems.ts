import { STATUS_CODES } from 'node:http';
import { HttpException } from '@nestjs/common';

/** One entry of the error catalogue. */
export interface ProblemType {
  status: number;
  /** The same words at every occurrence. */
  title: string;
}

/** What is wrong with one field of a request. */
export interface FieldProblem {
  /** Path in the body, such as `items[0].quantity`. */
  field: string;
  message: string;
  /** What to do about it. */
  remedy: string;
}

export interface ProblemOptions {
  /** What happened this time, for the person who reads it. */
  detail?: string;
  errors?: FieldProblem[];
  /** Seconds after which trying again makes sense; sent as `Retry-After`. */
  retryAfter?: number;
  /** Logged when the status is a server error; never sent. */
  cause?: unknown;
  /** `false` when whoever throws it keeps count instead, because it comes by the thousand. */
  isLogged?: boolean;
}

/** Every kind of problem the HTTP door can answer with, by the slug that ends its `type`. Services add their own. */
export const PROBLEMS: Record<string, ProblemType> = {
  'malformed-json': { status: 400, title: 'The request body is not JSON' },
  'invalid-request': { status: 400, title: 'The request is not valid' },
  'unknown-route': { status: 404, title: 'Nothing answers at this address' },
  'body-too-large': { status: 413, title: 'The request body is too large' },
  'unsupported-media-type': { status: 415, title: 'The request body is in a format that is not read here' },
  'rate-limited': { status: 429, title: 'Too many requests' },
  'internal-error': { status: 500, title: 'The request failed' },
  'temporarily-unavailable': { status: 503, title: 'A dependency is away for the moment' },
};

/** Adds a service's problems to the catalogue. @throws TypeError when a slug already means something else */
export function defineProblems<T extends Record<string, ProblemType>>(problems: T): T {
  for (const [slug, type] of Object.entries(problems)) {
    const other = PROBLEMS[slug];
    if (other && (other.status !== type.status || other.title !== type.title)) {
      throw new TypeError(
        `the problem ${slug} is defined twice with different words: "${other.title}" and "${type.title}"`,
      );
    }
    PROBLEMS[slug] = type;
  }
  return problems;
}

/** The `type` of a problem: where the service itself explains it. */
export function typeOf(slug: string): string {
  return `/docs/errors#${slug}`;
}

/** An error the client gets to read, as `application/problem+json`. */
export class ProblemException extends HttpException {
  constructor(
    status: number,
    readonly slug: string,
    readonly given: ProblemOptions = {},
  ) {
    super(given.detail ?? titleOf(slug, status), status, { cause: given.cause });
  }
}

/** `throw problem(422, 'idempotency-key-reused', { detail, errors })` */
export function problem(status: number, slug: string, options: ProblemOptions = {}): ProblemException {
  return new ProblemException(status, slug, options);
}

/** The title of a slug in the catalogue, else the phrase HTTP has for the status. */
export function titleOf(slug: string | undefined, status: number): string {
  return (slug && PROBLEMS[slug]?.title) || STATUS_CODES[status] || 'Error';
}
