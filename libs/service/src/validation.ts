import { type ArgumentMetadata, ValidationPipe } from '@nestjs/common';
import { flawsOf, knownPartOf, MAX_NAMED } from '@pavane/jetstream/structure';
import type { ValidationError } from 'class-validator';
import { type FieldProblem, problem, ProblemException } from './problems.js';

/**
 * Checks bodies, queries and parameters against their classes; a field they do not declare is refused. How a value is built
 * is judged first, so that what it costs to refuse it does not grow with what is wrong.
 */
export class HttpValidationPipe extends ValidationPipe {
  constructor() {
    super({
      transform: true,
      whitelist: true,
      forbidNonWhitelisted: true,
      validationError: { target: false, value: true },
      exceptionFactory: (errors) => refused(errors.flatMap((error) => fieldProblems(error, ''))),
    });
  }

  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    if (metadata.type === 'custom') return super.transform(value, metadata);
    const { named, count } = flawsOf(value, metadata.metatype, metadata.data);
    if (count === 0) return super.transform(value, metadata);
    const found = named.map(({ field, message, remedy }) => ({ field, message, remedy }));
    const known = knownPartOf(value, metadata.metatype, metadata.data);
    if (known === undefined) throw refused(found, count);
    throw refused([...found, ...(await this.problemsOf(known, metadata))]);
  }

  private async problemsOf(value: unknown, metadata: ArgumentMetadata): Promise<FieldProblem[]> {
    try {
      await super.transform(value, metadata);
      return [];
    } catch (error) {
      if (error instanceof ProblemException) return error.given.errors ?? [];
      throw error;
    }
  }
}

function refused(found: FieldProblem[], count = found.length): ProblemException {
  const errors = found.slice(0, MAX_NAMED);
  const more = count > errors.length ? `; these are the first ${errors.length}` : '';
  const detail = count === 1 ? `${errors[0]!.field} ${errors[0]!.message}` : `${count} fields need attention${more}`;
  return problem(400, 'invalid-request', { detail, errors });
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
