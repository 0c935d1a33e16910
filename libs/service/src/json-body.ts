import type { IncomingMessage } from 'node:http';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { problem, type ProblemException } from './problems.js';

const UNITS = { b: 1, kb: 1024, mb: 1024 * 1024 };

/**
 * Reads a request's body, which is JSON in UTF-8 and no longer than `limit`, into `request.body`, and as it came into
 * `request.rawBody`. It is refused as soon as
 * that shows, at best by its headers, and what is still to come is left unread. Bodies are not decompressed: at this size it
 * saves nothing, and a few bytes could stand for very many.
 *
 * @param limit such as `64kb`
 */
export function jsonBody(limit: string): RequestHandler {
  const bytes = bytesOf(limit);
  return async (request: Request, response: Response, next: NextFunction) => {
    if (hasBody(request)) {
      const refusal = refusalOf(request, bytes);
      if (refusal) throw refusal;
      if (request.headers.expect !== undefined) response.writeContinue();
      const body = await read(request, bytes);
      request.body = body.length === 0 ? undefined : parse(body);
      // Whoever signs a request signs its bytes.
      Object.assign(request, { rawBody: body });
    }
    next();
  };
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Why a body is refused by what its headers say of it, if it is. */
function refusalOf({ headers }: IncomingMessage, limit: number): ProblemException | undefined {
  const { 'content-type': type = '', 'content-encoding': coding = 'identity', 'content-length': length } = headers;
  if (!/^application\/json\s*(;|$)/i.test(type)) return unsupported('Send JSON, with Content-Type: application/json.');
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(type)?.[1] ?? 'utf-8';
  if (!/^utf-?8$/i.test(charset)) return unsupported('Send JSON in UTF-8.');
  if (coding.toLowerCase() !== 'identity') return unsupported('Send it without Content-Encoding.');
  return Number(length ?? 0) > limit ? tooLarge(limit) : undefined;
}

async function read(request: IncomingMessage, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      if ((length += chunk.length) > limit) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    // Nobody is there any more to read it.
    throw problem(400, 'malformed-json', { detail: 'The request ended before its body did.', cause });
  }
  if (length > limit) throw tooLarge(limit);
  return Buffer.concat(chunks);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(bytes)) as unknown;
  } catch (cause) {
    const detail = cause instanceof SyntaxError ? cause.message : 'The body is not in UTF-8.';
    throw problem(400, 'malformed-json', { detail, cause });
  }
}

function bytesOf(limit: string): number {
  const [, count, unit] = /^(\d+)(b|kb|mb)$/.exec(limit) ?? [];
  return Number(count) * UNITS[unit as keyof typeof UNITS];
}

function tooLarge(limit: number): ProblemException {
  return problem(413, 'body-too-large', { detail: `Send no more than ${limit} bytes at once.` });
}

function unsupported(detail: string): ProblemException {
  return problem(415, 'unsupported-media-type', { detail });
}
