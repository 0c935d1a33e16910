import { ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { type FieldProblem, problem, type ProblemException } from './problems.js';

/** Checks bodies, queries and parameters against their classes; a field they do not declare is refused. */
export function httpValidation(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    validationError: { target: false, value: true },
    exceptionFactory: refused,
  });
}

function refused(errors: ValidationError[]): ProblemException {
  const found = errors.flatMap((error) => fieldProblems(error, ''));
  const detail =
    found.length === 1 ? `${found[0]!.field} ${found[0]!.message}` : `${found.length} fields need attention`;
  return problem(400, 'invalid-request', { detail, errors: found });
}

/** One entry for each field and rule broken, nested objects and arrays included. */
export function fieldProblems(error: ValidationError, parent: string): FieldProblem[] {
  const field = pathOf(parent, error.property);
  const own = Object.entries(error.constraints ?? {});
  // Of a missing field only that it is missing is worth saying, with the rule written first, which is its type.
  const broken = error.value === undefined ? own.slice(-1) : own;
  return [
    ...broken.map(([rule, text]) => ({ field, ...explained(rule, text, error) })),
    ...(error.children ?? []).flatMap((child) => fieldProblems(child, field)),
  ];
}

function pathOf(parent: string, property: string): string {
  if (/^\d+$/.test(property)) return `${parent}[${property}]`;
  return parent ? `${parent}.${property}` : property;
}

function explained(rule: string, text: string, error: ValidationError): Omit<FieldProblem, 'field'> {
  const own = (error.contexts?.[rule] as { remedy?: string } | undefined)?.remedy;
  if (rule === 'whitelistValidation')
    return { message: 'is not a known field', remedy: own ?? 'remove it or correct its name' };
  // class-validator starts with the property, or with "each value in" it or "nested property"; the path says it better.
  const message = text
    .replace(new RegExp(`^(each value in |nested property )?${escaped(error.property)} `), '$1')
    .trim();
  if (error.value === undefined) return { message: 'is missing', remedy: own ?? `add it; it ${message}` };
  return {
    message,
    remedy: own ?? `send a value that ${message.replace(/^must be /, 'is ').replace(/^must not be /, 'is not ')}`,
  };
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
