import { type ArgumentMetadata, Injectable, ValidationPipe } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import type { ValidationError } from 'class-validator';
import { Unprocessable } from './errors.js';
import { instanceOf } from './payload/payload.instance.js';
import { holds, rulesOf } from './payload/payload.rules.js';
import { flawsOf, knownPartOf, MAX_NAMED } from './payload/structure.js';

/**
 * Makes a payload an instance of its class and checks it: unknown and wrong fields are `Unprocessable`. How it is built is
 * judged first. What holds is found to do so by rules that are looked up once; only what does not goes through
 * class-validator, which says why.
 */
@Injectable()
export class PayloadPipe extends ValidationPipe {
  constructor() {
    super({
      whitelist: true,
      forbidNonWhitelisted: true,
      transform: true,
      exceptionFactory: (errors) => new Invalid(errors.flatMap((error) => describe(error))),
    });
  }

  override async transform(value: unknown, metadata: ArgumentMetadata): Promise<unknown> {
    const { type, metatype, data } = metadata;
    if (type !== 'custom') {
      const { named, count } = flawsOf(value, metatype, data);
      if (count > 0) {
        const wrong = named.map(({ field, message }) => `${field} ${message}`);
        const known = knownPartOf(value, metatype, data);
        throw known === undefined
          ? new Invalid(wrong, count)
          : new Invalid([...wrong, ...(await this.wrongIn(known, metadata))]);
      }
    }
    if (type !== 'custom' && metatype && rulesOf(metatype)) {
      try {
        const payload: unknown = instanceOf(metatype as new () => object, value) ?? plainToInstance(metatype, value);
        if (holds(payload)) return payload;
      } catch {
        // Junk that class-transformer stumbles over, which the pipe takes out before.
      }
    }
    return super.transform(value, metadata);
  }

  private async wrongIn(value: unknown, metadata: ArgumentMetadata): Promise<readonly string[]> {
    try {
      await super.transform(value, metadata);
      return [];
    } catch (error) {
      if (error instanceof Invalid) return error.wrong;
      throw error;
    }
  }
}

class Invalid extends Unprocessable {
  constructor(
    readonly wrong: readonly string[],
    count = wrong.length,
  ) {
    const more = count > MAX_NAMED ? [`and ${count - MAX_NAMED} more`] : [];
    const all = [...wrong.slice(0, MAX_NAMED), ...more].join('; ');
    super(`The payload is not valid: ${all}. Correct the publisher, then replay the dead letter.`);
  }
}

function describe(error: ValidationError, path = ''): string[] {
  const field = `${path}${error.property}`;
  const own = Object.values(error.constraints ?? {}).map((rule) => `${field}: ${rule}`);
  return [...own, ...(error.children ?? []).flatMap((child) => describe(child, `${field}.`))];
}
