import { Transform } from 'class-transformer';
import { IsBoolean, IsInt, Max, Min, ValidateBy } from 'class-validator';

/** What an error message says about a variable beside its rules. */
export interface VariableOptions {
  /** A value that works, shown when the given one does not. */
  example?: string | number;
  /** Never printed, not even when it is wrong. */
  secret?: boolean;
}

export interface DurationOptions extends VariableOptions {
  /** Milliseconds. Default 0. */
  min?: number;
  /** Milliseconds. */
  max?: number;
}

export interface IntegerOptions extends VariableOptions {
  min?: number;
  max?: number;
}

const described = new Map<object, Map<string, VariableOptions>>();

/** What was declared about a variable, on the class or those it extends. */
export function descriptionOf(type: abstract new () => object, name: string): VariableOptions {
  for (let at: object | null = type.prototype as object; at; at = Object.getPrototypeOf(at) as object | null) {
    const found = described.get(at)?.get(name);
    if (found) return found;
  }
  return {};
}

/** Describes a variable that class-validator rules check. */
export function Variable(options: VariableOptions): PropertyDecorator {
  return (prototype, name) => {
    const variables = described.get(prototype) ?? new Map<string, VariableOptions>();
    described.set(prototype, variables.set(String(name), options));
  };
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `250ms`, `10s`, `15m`, `1h`, `7d` as milliseconds; anything else stays as it is and fails the check. */
export function parseDuration(text: unknown): unknown {
  if (typeof text !== 'string') return text;
  const [, amount, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim()) ?? [];
  return amount && unit ? Math.round(Number(amount) * UNITS[unit]!) : text;
}

/** The longest a timer of Node or a timeout of PostgreSQL can wait; Node takes anything beyond for 1 ms. */
const LONGEST_MS = 2 ** 31 - 1;
const DAY_MS = UNITS['d']!;

/**
 * A duration such as `250ms`, `10s`, `15m`, read as milliseconds. A bare number is refused: its unit would be a guess. So is
 * what no timer holds, 24 days and more.
 */
export function Duration(options: DurationOptions = {}): PropertyDecorator {
  const { min = 0, max = Math.floor(LONGEST_MS / DAY_MS) * DAY_MS } = options;
  const message = `a duration such as 250ms, 10s, 15m, 1h or 7d${within(min || undefined, max, written)}`;
  return all(
    Variable({ example: '10s', ...options }),
    Transform(({ value }) => parseDuration(value)),
    IsInt({ message }),
    Min(min, { message }),
    Max(max, { message }),
  );
}

/** A whole number, read strictly: `10` but neither `10.5`, `1e3`, `0x10` nor `10 apples`. */
export function Integer(options: IntegerOptions = {}): PropertyDecorator {
  const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = options;
  const message = `a whole number${within(options.min, options.max, String)}`;
  return all(
    Variable({ example: options.min ?? 1, ...options }),
    Transform(({ value }) =>
      typeof value === 'string' && /^-?\d+$/.test(value.trim()) ? Number(value) : (value as unknown),
    ),
    IsInt({ message }),
    Min(min, { message }),
    Max(max, { message }),
  );
}

/** `true` or `false`. */
export function Switch(options: VariableOptions = {}): PropertyDecorator {
  return all(
    Variable({ example: 'true', ...options }),
    Transform(({ value }) => (value === 'true' ? true : value === 'false' ? false : (value as unknown))),
    IsBoolean({ message: 'true or false' }),
  );
}

/** The path of a file that is read at start; `problemOf` says what is wrong with it, and nothing of what it holds. */
export function ReadableFile(
  problemOf: (path: string) => string | undefined,
  { expected }: { expected: string },
): PropertyDecorator {
  return ValidateBy({
    name: 'readableFile',
    validator: {
      validate: (path: string) => problemOf(path) === undefined,
      defaultMessage: (about) => `${expected}; ${problemOf(about?.value as string)}`,
    },
  });
}

/** Several decorators as one. */
export function all(...decorators: PropertyDecorator[]): PropertyDecorator {
  return (prototype, name) => decorators.forEach((decorate) => decorate(prototype, name));
}

function within(min: number | undefined, max: number | undefined, show: (value: number) => string): string {
  if (min !== undefined && max !== undefined) return `, from ${show(min)} to ${show(max)}`;
  if (min !== undefined) return `, at least ${show(min)}`;
  return max === undefined ? '' : `, at most ${show(max)}`;
}

function written(ms: number): string {
  const [unit, size] = Object.entries(UNITS).findLast(([, each]) => ms % each === 0) ?? ['ms', 1];
  return `${ms / size}${unit}`;
}
