import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import { context, trace } from '@opentelemetry/api';
import { orderIdOf } from './order-id.js';
import { serviceName } from './service-name.js';

export interface JsonLoggerOptions {
  /** Field `service` of every line. Default: see {@link serviceName}. */
  service?: string;
  /** The least severe level that is written; Nest's own account of a start is `debug`. Default `log`. */
  level?: LogLevel;
  /** Further keys whose values are masked, beside passwords, tokens, cookies and authorization headers. */
  redact?: string[];
}

/** From the most to the least severe. */
const LEVELS: readonly LogLevel[] = ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'];

const SECRETS = [
  'password',
  'passwd',
  'secret',
  'token',
  'accessToken',
  'refreshToken',
  'apiKey',
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'credentials',
  'connectionString',
  'DATABASE_URL',
  'NATS_URL',
];

/** Nest's own account of every start, a line for each route and module. */
const FRAMEWORK = new Set([
  'InstanceLoader',
  'NestApplication',
  'NestFactory',
  'NestMicroservice',
  'RouterExplorer',
  'RoutesResolver',
]);

/**
 * Nest's JSON logger with the fields that join lines of different services: `service`, and where there is one `traceId`,
 * `spanId` and `orderId`. Objects given after the message become fields of the line; an Error given after the message
 * becomes `error` with its causes. Values under secret-sounding keys are masked; text is not, so keep secrets out of it.
 */
export class JsonLogger extends ConsoleLogger {
  private readonly service: string;

  constructor(options: JsonLoggerOptions = {}) {
    super({
      json: true,
      flattenParams: true,
      logLevels: levelsFrom(options.level ?? 'log'),
      redact: [...SECRETS, ...(options.redact ?? [])],
    });
    this.service = options.service ?? serviceName();
  }

  /** Writes lines of `level` and everything more severe from now on. */
  setLevel(level: LogLevel): void {
    this.setLogLevels(levelsFrom(level));
  }

  override log(message: unknown, ...rest: unknown[]): void {
    const speaker = rest.at(-1);
    if (typeof speaker === 'string' && FRAMEWORK.has(speaker)) super.debug(message, ...rest);
    else super.log(message, ...rest);
  }

  protected override getJsonLogObject(...given: Parameters<ConsoleLogger['getJsonLogObject']>) {
    const line: Record<string, unknown> & ReturnType<ConsoleLogger['getJsonLogObject']> = super.getJsonLogObject(
      ...given,
    );
    // `log({ message, ...fields })` means the same as `log(message, fields)`.
    if (isRecord(line.message) && typeof line.message['message'] === 'string') {
      const { message, ...fields } = line.message;
      Object.assign(line, { ...fields, ...line, message });
    }
    line['service'] = this.service;
    const span = trace.getSpanContext(context.active());
    if (span) {
      line['traceId'] ??= span.traceId;
      line['spanId'] ??= span.spanId;
    }
    const orderId = orderIdOf();
    if (orderId) line['orderId'] ??= orderId;
    return line;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function levelsFrom(least: LogLevel): LogLevel[] {
  return LEVELS.slice(0, LEVELS.indexOf(least) + 1);
}
