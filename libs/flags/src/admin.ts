import { Kvm, type KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  byKey,
  type FlagDefinition,
  type FlagDefinitions,
  type FlagValue,
  InvalidFlagValue,
  parse,
} from './definitions.js';

/** A flag as it is now. */
export interface FlagReport extends FlagDefinition {
  /** What services evaluate the flag to (production refusal aside). */
  value: FlagValue;
  /** Whether the bucket holds a value; otherwise `value` is the default. */
  set: boolean;
  /** When it was set last. */
  changedAt?: Date;
  /** Why the stored value is ignored, when it is. */
  problem?: string;
}

/** One change of a flag, newest first. */
export interface FlagRevision {
  revision: number;
  at: Date;
  /** The stored text; undefined when the flag was put back to its default. */
  value: string | undefined;
}

/** A name that no definition has. The message lists those that exist. */
export class UnknownFlag extends Error {
  readonly code = 'UNKNOWN_FLAG';
  override name = 'UnknownFlag';

  constructor(key: string, known: Iterable<string>) {
    super(`no flag is called ${key}; known flags: ${[...known].join(', ')}`);
  }
}

/** Every defined flag with its current value, in the order of the definitions. */
export async function listFlags(
  nc: NatsConnection,
  definitions: FlagDefinitions,
  bucket = 'flags',
): Promise<FlagReport[]> {
  const kv = await open(nc, bucket);
  return Promise.all([...byKey(definitions).values()].map((definition) => report(kv, definition)));
}

/** @throws UnknownFlag */
export async function getFlag(
  nc: NatsConnection,
  definitions: FlagDefinitions,
  key: string,
  bucket = 'flags',
): Promise<FlagReport> {
  return report(await open(nc, bucket), defined(definitions, key));
}

/**
 * Sets a flag from its JSON text (`true`, `0.5`; a string flag also takes bare text), or with `undefined` puts it back to
 * its default. Running services see it within a second.
 * @throws UnknownFlag, InvalidFlagValue
 */
export async function setFlag(
  nc: NatsConnection,
  definitions: FlagDefinitions,
  key: string,
  text: string | undefined,
  bucket = 'flags',
): Promise<FlagReport> {
  const definition = defined(definitions, key);
  const kv = await open(nc, bucket);
  if (text === undefined) await kv.delete(key);
  else await kv.put(key, JSON.stringify(valueFrom(definition, text)));
  return report(kv, definition);
}

/** The changes the bucket still remembers (ten), newest first. @throws UnknownFlag */
export async function historyOf(
  nc: NatsConnection,
  definitions: FlagDefinitions,
  key: string,
  bucket = 'flags',
): Promise<FlagRevision[]> {
  defined(definitions, key);
  const kv = await open(nc, bucket);
  const revisions: FlagRevision[] = [];
  for await (const entry of await kv.history({ key })) {
    const value = entry.operation === 'PUT' ? entry.string() : undefined;
    revisions.unshift({ revision: entry.revision, at: entry.created, value });
  }
  return revisions;
}

function open(nc: NatsConnection, bucket: string): Promise<KV> {
  // Not from a replica: whoever sets a flag must read back what they set.
  return new Kvm(nc).open(bucket, { allow_direct: false });
}

function defined(definitions: FlagDefinitions, key: string): FlagDefinition {
  const known = byKey(definitions);
  const definition = known.get(key);
  if (!definition) throw new UnknownFlag(key, known.keys());
  return definition;
}

function valueFrom(definition: FlagDefinition, text: string): FlagValue {
  try {
    return parse(definition, text);
  } catch (error) {
    if (definition.type === 'string') return text;
    throw error;
  }
}

async function report(kv: KV, definition: FlagDefinition): Promise<FlagReport> {
  const entry = await kv.get(definition.key);
  if (entry?.operation !== 'PUT') return { ...definition, value: definition.default, set: false };
  const found = { ...definition, set: true, changedAt: entry.created };
  try {
    return { ...found, value: parse(definition, entry.string()) };
  } catch (error) {
    if (!(error instanceof InvalidFlagValue)) throw error;
    return { ...found, value: definition.default, problem: error.message };
  }
}
