/** The value of a flag. Values are stored as JSON: `true`, `0.25`, `"blue"`. */
export type FlagValue = boolean | number | string;

export type FlagType = 'boolean' | 'number' | 'string';

/** One flag as its owner declares it in code. */
export interface FlagDefinition {
  /** Name in the bucket and in the CLI: lower case, dotted. */
  readonly key: string;
  readonly type: FlagType;
  /** What holds while nothing is set, what is set is not valid, or NATS has not been reached yet. */
  readonly default: FlagValue;
  readonly description: string;
  /** `refused`: when NODE_ENV is production the flag stays at its default whatever is set. For fault injection. */
  readonly production?: 'refused';
}

/** Definitions by key, as `libs/contracts` declares them. */
export type FlagTable = Readonly<Record<string, Omit<FlagDefinition, 'key'>>>;

/** Either form is accepted wherever definitions are asked for. */
export type FlagDefinitions = FlagTable | readonly FlagDefinition[];

/** The keys of a table whose flags have the given type; any string when the definitions are a list. */
export type FlagKey<T, Type extends FlagType> = T extends readonly unknown[]
  ? string
  : { [K in keyof T]: T[K] extends { readonly type: Type } ? K : never }[keyof T] & string;

/** A value that does not fit its flag. The message says what was given and what the flag takes. */
export class InvalidFlagValue extends Error {
  readonly code = 'INVALID_FLAG_VALUE';
  override name = 'InvalidFlagValue';

  constructor(
    readonly reason: 'PARSE_ERROR' | 'TYPE_MISMATCH',
    definition: FlagDefinition,
    given: string,
  ) {
    super(
      `${definition.key} takes a ${definition.type} as JSON (its default is ${JSON.stringify(definition.default)}), not ${given}`,
    );
  }
}

export function byKey(definitions: FlagDefinitions): Map<string, FlagDefinition> {
  const list = Array.isArray(definitions)
    ? (definitions as readonly FlagDefinition[])
    : Object.entries(definitions as FlagTable).map(([key, rest]) => ({ ...rest, key }));
  return new Map(list.map((definition) => [definition.key, definition]));
}

/**
 * The value a stored text stands for.
 * @throws InvalidFlagValue when it is not JSON or of another type than the flag's
 */
export function parse(definition: FlagDefinition, text: string): FlagValue {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new InvalidFlagValue('PARSE_ERROR', definition, text);
  }
  if (typeof value !== definition.type) throw new InvalidFlagValue('TYPE_MISMATCH', definition, text);
  return value as FlagValue;
}
