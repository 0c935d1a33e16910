import 'reflect-metadata';
import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, validateSync } from 'class-validator';
import { descriptionOf } from './config-variables.js';

export interface ConfigProblem {
  name: string;
  /** What was given, with secrets masked; undefined when the variable is missing. */
  given: string | undefined;
  expected: string;
  example: string | undefined;
}

/** The environment does not make a configuration. The message names every variable that is wrong or missing. */
export class ConfigError extends Error {
  readonly code = 'CONFIG';
  override name = 'ConfigError';

  constructor(readonly problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? '1 environment variable is' : `${problems.length} environment variables are`;
    super([`${count} missing or not usable.`, ...problems.map(described)].join('\n\n'));
  }
}

/**
 * Reads a configuration class from environment variables: its properties are the variables, its initial values the
 * defaults. Variables it does not name are ignored, empty ones count as not set.
 * @throws ConfigError naming everything that is wrong at once
 */
export function loadConfig<T extends object>(type: new () => T, env: NodeJS.ProcessEnv = process.env): T {
  const given = Object.fromEntries(variablesOf(type).flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  const config = plainToInstance(type, given, { exposeDefaultValues: true });
  const errors = validateSync(config, { forbidUnknownValues: false });
  if (errors.length === 0) return config;
  const defaults = new type() as Record<string, unknown>;
  throw new ConfigError(
    errors.map(({ property: name, constraints = {} }) => {
      const { example = defaults[name], secret } = descriptionOf(type, name);
      return {
        name,
        given: given[name] === undefined ? undefined : masked(name, given[name], secret),
        expected: [...new Set(Object.values(constraints).map((text) => text.replace(`${name} must `, 'must ')))].join(
          '; ',
        ),
        example: typeof example === 'string' || typeof example === 'number' ? String(example) : undefined,
      };
    }),
  );
}

/** Declared properties, whether or not the compiler gives fields without a value an own property. */
function variablesOf(type: new () => object): string[] {
  const rules = getMetadataStorage().getTargetValidationMetadatas(type, '', false, false);
  return [...new Set([...Object.keys(new type()), ...rules.map((rule) => rule.propertyName)])];
}

const SECRET_NAME = /PASSWORD|SECRET|TOKEN|CREDENTIAL|(^|_)KEY/;

const NKEY_SEED = /\bS[A-Z][A-Z2-7]{40,}/;

function masked(name: string, value: string, secret = SECRET_NAME.test(name)): string {
  // A seed in the place of the file that holds it is a slip that must not end in a log.
  if (secret || NKEY_SEED.test(value)) return `*** (${value.length} characters)`;
  // Greedy, up to the last @: in a URL that is wrong nobody can tell where the credentials begin or end.
  const shown = value.replace(/^(\s*[a-z][a-z\d+.-]*:\/+)?.*@/is, '$1***@');
  return JSON.stringify(shown.replaceAll(/([?&][^=&]*=)[^&]*/g, '$1***'));
}

function described({ name, given, expected, example }: ConfigProblem): string {
  return [
    `  ${name} ${given === undefined ? 'is missing' : `is ${given}`}`,
    `    expected: ${expected}`,
    ...(example === undefined ? [] : [`    example:  ${name}=${example}`]),
  ].join('\n');
}
