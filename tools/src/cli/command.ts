import { parseArgs, type ParseArgsConfig } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;

/** A command of the platform. */
export interface Command<O extends Options> {
  /** How it is called, e.g. `npm run verify -- [options]`. */
  usage: string;
  about: string;
  options: O;
  /** What each option, positional and variable means; printed by `--help`. */
  help: Record<string, string>;
  /** Resolves to the exit code. */
  run(values: Values<O>, positionals: string[]): Promise<number>;
}

type Values<O extends Options> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: true; strict: true }>
>['values'];

/** A mistake of the caller: printed in one line, without a stack. */
export class UsageError extends Error {}

/** Runs a command as this process: `--help`, clear errors, exit code 0, 1 for a failure and 2 for wrong usage. */
export async function main<O extends Options>(command: Command<O>): Promise<void> {
  try {
    const { values, positionals } = parse(command);
    process.exitCode = (values as { help?: boolean }).help ? show(command) : await command.run(values, positionals);
  } catch (error) {
    process.exitCode = error instanceof UsageError ? 2 : 1;
    console.error(
      `✘ ${(error as Error).message}${error instanceof UsageError ? `\n  ${command.usage}   (--help says more)` : ''}`,
    );
    if (process.env['DEBUG']) console.error(error);
  }
}

function parse<O extends Options>({ options }: Command<O>) {
  try {
    const all = { ...options, help: { type: 'boolean', short: 'h' } } as O;
    return parseArgs<{ options: O; allowPositionals: true; strict: true }>({
      options: all,
      allowPositionals: true,
      strict: true,
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function show({ usage, about, help }: Command<Options>): number {
  const width = Math.max(...Object.keys(help).map((name) => name.length), 0);
  console.log(
    [
      usage,
      '',
      about,
      '',
      ...Object.entries(help).map(([name, meaning]) => `  ${name.padEnd(width)}  ${meaning}`),
    ].join('\n'),
  );
  return 0;
}
