import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe, expect } from '@jest/globals';

/** The path of a program: its variable, else from `PATH`; undefined without it. */
export function find(name: string, variable: string): string | undefined {
  const named = process.env[variable];
  if (named) return named;
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((dir) => dir !== '')
    .map((dir) => join(dir, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Variables that take a program for granted when they are set to `required`: without it, tests fail. */
const REQUIRED: Record<string, string> = { helm: 'CHART_TESTS', chromium: 'BROWSER_TESTS' };

/** A `describe` that needs a program, and says so where it is skipped. */
export function describeWith(name: string, variable: string, url: string): typeof describe.skip {
  if (find(name, variable)) return describe;
  const missing = `needs ${name} in PATH or ${variable} (${url})`;
  const required = REQUIRED[name];
  if (required && process.env[required] === 'required') throw new Error(`${required}=required ${missing}`);
  process.stderr.write(`SKIPPED: ${expect.getState().testPath}: ${missing}\n`);
  return describe.skip;
}
