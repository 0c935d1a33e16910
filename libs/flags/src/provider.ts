import type { NatsConnection } from '@nats-io/transport-node';
import { Logger } from '@nestjs/common';
import {
  ErrorCode,
  type JsonValue,
  OpenFeatureEventEmitter,
  type Provider,
  ProviderEvents,
  type ResolutionDetails,
  StandardResolutionReasons,
} from '@openfeature/server-sdk';
import {
  byKey,
  type FlagDefinition,
  type FlagDefinitions,
  type FlagValue,
  InvalidFlagValue,
  parse,
} from './definitions.js';
import { BucketFollower } from './store.js';

export interface NatsFlagProviderOptions {
  definitions: FlagDefinitions;
  /** A promise of a connected NATS client; it may stay pending as long as NATS is away. */
  connection: () => Promise<NatsConnection>;
  /** Default `flags`. */
  bucket?: string;
  /** How often every flag is read again, beside the watch. Default 60 000 ms. */
  rereadMs?: number;
  /** Pause before trying again when the bucket cannot be read. Default 1 000 ms. */
  retryMs?: number;
  /** Whether flags marked `production: 'refused'` are held at their default. Default: NODE_ENV is `production`. */
  production?: boolean;
}

type Known = { value: FlagValue } | { problem: InvalidFlagValue };

/**
 * OpenFeature provider over a NATS KV bucket. It is ready at once: until NATS answers a flag has its default, and while
 * NATS is away its last known value. A stored value that does not fit is reported once and counts as not set; the
 * evaluation details then carry the error code.
 */
export class NatsFlagProvider implements Provider {
  readonly metadata = { name: 'nats-kv' };
  readonly runsOn = 'server' as const;
  readonly events = new OpenFeatureEventEmitter();

  private readonly logger = new Logger('Flags');
  private readonly definitions: Map<string, FlagDefinition>;
  private readonly known = new Map<string, Known>();
  private readonly follower: BucketFollower;
  private readonly production: boolean;
  private troubled = false;

  constructor(options: NatsFlagProviderOptions) {
    this.definitions = byKey(options.definitions);
    this.production = options.production ?? process.env['NODE_ENV'] === 'production';
    this.follower = new BucketFollower({
      connection: options.connection,
      keys: [...this.definitions.keys()],
      bucket: options.bucket ?? 'flags',
      rereadMs: options.rereadMs ?? 60_000,
      retryMs: options.retryMs ?? 1_000,
      onChange: (key, entry) => this.changed(key, entry?.string()),
      onRead: () => {
        this.troubled = false;
      },
      onTrouble: (error) => this.trouble(error),
    });
  }

  async initialize(): Promise<void> {
    this.follower.start();
  }

  async onClose(): Promise<void> {
    await this.follower.close();
  }

  async resolveBooleanEvaluation(key: string, fallback: boolean): Promise<ResolutionDetails<boolean>> {
    return this.resolve(key, fallback);
  }

  async resolveNumberEvaluation(key: string, fallback: number): Promise<ResolutionDetails<number>> {
    return this.resolve(key, fallback);
  }

  async resolveStringEvaluation(key: string, fallback: string): Promise<ResolutionDetails<string>> {
    return this.resolve(key, fallback);
  }

  async resolveObjectEvaluation<T extends JsonValue>(key: string, fallback: T): Promise<ResolutionDetails<T>> {
    return failed(fallback, ErrorCode.TYPE_MISMATCH, `${key}: flags are booleans, numbers or strings, never objects`);
  }

  private resolve<T extends FlagValue>(key: string, fallback: T): ResolutionDetails<T> {
    const definition = this.definitions.get(key);
    if (!definition) return failed(fallback, ErrorCode.FLAG_NOT_FOUND, `no flag is called ${key}`);
    if (definition.type !== typeof fallback) {
      return failed(
        fallback,
        ErrorCode.TYPE_MISMATCH,
        `${key} is a ${definition.type}, asked for as a ${typeof fallback}`,
      );
    }
    if (this.production && definition.production === 'refused') {
      return { value: definition.default as T, reason: StandardResolutionReasons.DISABLED };
    }
    const known = this.known.get(key);
    if (!known) return { value: definition.default as T, reason: StandardResolutionReasons.DEFAULT };
    if ('problem' in known) {
      return failed(definition.default as T, ErrorCode[known.problem.reason], known.problem.message);
    }
    return { value: known.value as T, reason: StandardResolutionReasons.STATIC };
  }

  private changed(key: string, text: string | undefined): void {
    const definition = this.definitions.get(key);
    if (!definition) return;
    if (text === undefined) {
      this.known.delete(key);
    } else {
      this.known.set(key, this.read(definition, text));
    }
    this.events.emit(ProviderEvents.ConfigurationChanged, { flagsChanged: [key] });
  }

  private read(definition: FlagDefinition, text: string): Known {
    try {
      const value = parse(definition, text);
      if (this.production && definition.production === 'refused') {
        this.logger.warn('ignored a flag that is refused in production', { flag: definition.key, value });
      } else {
        this.logger.log('flag changed', { flag: definition.key, value });
      }
      return { value };
    } catch (error) {
      if (!(error instanceof InvalidFlagValue)) throw error;
      this.logger.warn('ignored a flag value that does not fit; the default holds', {
        flag: definition.key,
        problem: error.message,
      });
      return { problem: error };
    }
  }

  private trouble(error: unknown): void {
    if (this.troubled) return;
    this.troubled = true;
    this.logger.warn('could not read the flags; defaults and last known values hold', {
      problem: error instanceof Error ? error.message : String(error),
    });
  }
}

function failed<T>(value: T, errorCode: ErrorCode, errorMessage: string): ResolutionDetails<T> {
  return { value, reason: StandardResolutionReasons.ERROR, errorCode, errorMessage };
}
