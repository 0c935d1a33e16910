import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { measureRequests, traceRequests } from '@pavane/telemetry';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { rateLimit } from 'express-rate-limit';
import helmet from 'helmet';
import type { ServiceConfig } from './config.js';
import { jsonBody } from './json-body.js';
import { ProblemFilter } from './problem.filter.js';
import { problem } from './problems.js';
import { HttpValidationPipe } from './validation.js';

const MINUTE_MS = 60_000;

/** Probes and scrapes must get through when users are turned away. */
const OPERATIONS = /^\/(health|metrics)\b/;

/**
 * The HTTP door of a service: traces, measures, secures and limits requests, validates them and answers errors as
 * problems. Create the app on a `ServiceHttpAdapter` with `bodyParser: false` and call this before `app.init()`.
 */
export function configureHttp(app: INestApplication, name: string, config: ServiceConfig): void {
  const http = app as NestExpressApplication;
  http.set('trust proxy', config.TRUSTED_PROXIES);
  http.use(measureRequests());
  http.use(traceRequests());
  http.use(security());
  if (config.RATE_LIMIT > 0) http.use(limit(config.RATE_LIMIT));
  http.use(jsonBody(config.BODY_LIMIT));
  http.useGlobalFilters(new ProblemFilter());
  http.useGlobalPipes(new HttpValidationPipe());
  document(http, name);
}

function security(): RequestHandler {
  return helmet({
    // The UI at /docs is the only page served; it may come over plain HTTP, from this host.
    contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } },
  }) as RequestHandler;
}

function limit(perMinute: number): RequestHandler {
  return rateLimit({
    windowMs: MINUTE_MS,
    limit: perMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    // TRUSTED_PROXIES decides; the library's warning about the header would be printed beside the log.
    validate: { xForwardedForHeader: false },
    skip: (request: Request) => OPERATIONS.test(request.path),
    handler: (_request: Request, _response: Response, next: NextFunction) =>
      next(problem(429, 'rate-limited', { detail: `This address may make ${perMinute} requests in a minute.` })),
  });
}

function document(app: NestExpressApplication, name: string): void {
  const about = new DocumentBuilder().setTitle(name).setVersion('1').build();
  // Built when first asked for: at start it would cost every restart.
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, about), {
    jsonDocumentUrl: 'docs-json',
    yamlDocumentUrl: 'docs-yaml',
    customSiteTitle: name,
  });
}
