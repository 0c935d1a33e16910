import type { Client, EvaluationDetails } from '@openfeature/server-sdk';
import {
  byKey,
  type FlagDefinition,
  type FlagDefinitions,
  type FlagKey,
  type FlagTable,
  type FlagValue,
} from './definitions.js';

/**
 * The flags of this process, read by key. `Flags<typeof flags>` knows the keys of a table and their types. Reading costs
 * no I/O and never fails: an unreachable or broken store means the default.
 */
export class Flags<T extends FlagDefinitions = FlagTable> {
  private readonly definitions: Map<string, FlagDefinition>;

  constructor(
    /** The OpenFeature client behind it, for hooks, events and evaluation details. */
    readonly client: Client,
    definitions: T,
    private readonly stop: () => Promise<void>,
  ) {
    this.definitions = byKey(definitions);
  }

  async boolean(key: FlagKey<T, 'boolean'>): Promise<boolean> {
    return this.client.getBooleanValue(key, this.defaultOf(key) as boolean);
  }

  async number(key: FlagKey<T, 'number'>): Promise<number> {
    return this.client.getNumberValue(key, this.defaultOf(key) as number);
  }

  async string(key: FlagKey<T, 'string'>): Promise<string> {
    return this.client.getStringValue(key, this.defaultOf(key) as string);
  }

  /** Value, reason and, when the default had to step in, the error. */
  async details(key: string): Promise<EvaluationDetails<FlagValue>> {
    const fallback = this.defaultOf(key);
    switch (typeof fallback) {
      case 'boolean':
        return this.client.getBooleanDetails(key, fallback);
      case 'number':
        return this.client.getNumberDetails(key, fallback);
      default:
        return this.client.getStringDetails(key, fallback);
    }
  }

  /** Stops following the store; the last known values stay readable. May be called twice. */
  async close(): Promise<void> {
    await this.stop();
  }

  private defaultOf(key: string): FlagValue {
    const definition = this.definitions.get(key);
    if (definition) return definition.default;
    throw new TypeError(
      `no flag is called ${key}; this service declares ${[...this.definitions.keys()].join(', ') || 'none'}`,
    );
  }
}
