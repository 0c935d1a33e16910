import type { Server } from 'node:http';
import type { INestApplication } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { measureRequests, traceRequests } from '@pavane/telemetry';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { rateLimit } from 'express-rate-limit';
import helmet from 'helmet';
import type { ServiceConfig } from './config.js';
import { ProblemFilter } from './problem.filter.js';
import { problem } from './problems.js';
import { httpValidation } from './validation.js';

const MINUTE_MS = 60_000;

/** Probes and scrapes must get through when users are turned away. */
const OPERATIONS = /^\/(health|metrics)\b/;

/**
 * The HTTP door of a service: traces, measures, secures and limits requests, validates them and answers errors as
 * problems. Create the app with `bodyParser: false` and call this before `app.init()`.
 */
export function configureHttp(app: INestApplication, name: string, config: ServiceConfig): void {
  const http = app as NestExpressApplication;
  http.set('trust proxy', config.TRUSTED_PROXIES);
  http.use(measureRequests());
  http.use(traceRequests());
  http.use(security());
  if (config.RATE_LIMIT > 0) http.use(limit(config.RATE_LIMIT));
  http.useBodyParser('json', { limit: config.BODY_LIMIT });
  http.use(onlyJson);
  http.useGlobalFilters(new ProblemFilter());
  http.useGlobalPipes(httpValidation());
  document(http, name);
  patience(app.getHttpServer() as Server);
}

function patience(server: Server): void {
  // Longer than the minute proxies keep idle connections: whoever closes first must be the one who sends.
  server.keepAliveTimeout = 65_000;
  // A request of at most BODY_LIMIT is sent in less, or its sender means to hold the connection.
  server.requestTimeout = 30_000;
}

/** Without it a body in another format would read as one in which every field is missing. */
function onlyJson(request: Request, _response: Response, next: NextFunction): void {
  const sent = request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  if (request.body !== undefined || !sent) return next();
  next(problem(415, 'unsupported-media-type', { detail: 'Send JSON, with Content-Type: application/json.' }));
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
