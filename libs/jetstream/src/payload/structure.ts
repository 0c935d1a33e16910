import { ANYTHING, type Declared, declaredBy, fieldsOf } from './structure.declared.js';

/** How deep arrays and objects may lie in one another. */
export const MAX_DEPTH = 32;
/** How many flaws are named; the others are only counted. */
export const MAX_NAMED = 20;

/** Where a value is not built as it must be. */
export interface Flaw {
  /** Path from the whole, such as `items[0].sku`; `body` for the whole itself. */
  field: string;
  /** Follows the field in a sentence: `must be an array`. */
  message: string;
  /** What to do about it. */
  remedy: string;
  isUnknownField?: true;
}

export interface Flaws {
  /** The first `MAX_NAMED`. */
  named: Flaw[];
  /** All there are. */
  count: number;
}

/** Names that class-transformer drops without a word, and through which `{}` has values of its own. */
const RESERVED = new Set(['__proto__', 'constructor']);
/** Names that may stand in a path as they are; others are quoted, since anything may be in them. */
const PLAIN_NAME = /^[\p{L}\p{N}_$-]{1,64}$/u;
const NAME_LENGTH = 64;

/**
 * What is wrong with how a parsed JSON value is built: containers where none are declared or others than declared, arrays
 * that are too long, unknown fields, text that no database stores, too much depth. Costs no more than one look at each part
 * and looks at no part of what it refuses, so it comes before class-transformer and class-validator, whose effort grows with
 * what is wrong.
 *
 * @param type the class the value is to become, or what else the compiler says of a parameter
 * @param name of the value itself when it is a part, such as a query parameter
 */
export function flawsOf(value: unknown, type?: unknown, name?: string): Flaws {
  const look = new Look(name);
  look.at(value, declaredBy(type), 0);
  return look.flaws;
}

/**
 * A copy without the fields nobody knows, when nothing else is wrong with how the value is built: whoever misspelt a field
 * wants to hear what is wrong with the others, too. Undefined otherwise.
 */
export function knownPartOf(value: unknown, type?: unknown, name?: string): unknown {
  const { named, count } = flawsOf(value, type, name);
  if (count > named.length || named.some(({ isUnknownField }) => !isUnknownField)) return undefined;
  return knownPart(value, declaredBy(type));
}

function knownPart(value: unknown, { of, members = ANYTHING }: Declared): unknown {
  if (Array.isArray(value)) return Array.from(value, (one) => knownPart(one, members));
  if (typeof value !== 'object' || value === null || !isPlain(value)) return value;
  const known: Record<string, unknown> = {};
  for (const [key, one] of Object.entries(value)) {
    const declared = declaredIn(of, key);
    if (declared) known[key] = knownPart(one, declared);
  }
  return known;
}

/** What a field is, undefined when nobody knows it. */
function declaredIn(of: Declared['of'], key: string): Declared | undefined {
  const fields = of && fieldsOf(of);
  return fields ? fields.get(key) : RESERVED.has(key) ? undefined : ANYTHING;
}

class Look {
  readonly flaws: Flaws = { named: [], count: 0 };
  readonly #path: (string | number)[];

  constructor(name: string | undefined) {
    this.#path = name ? [name] : [];
  }

  at(value: unknown, declared: Declared, depth: number): void {
    // Whether a value may be missing is for the rules to say.
    if (value === null || value === undefined) return;
    const isArray = Array.isArray(value);
    const isContainer = isArray || typeof value === 'object';
    // Nothing that JSON can say: it was made by code, and is that code's affair.
    if (isContainer && !isArray && !isPlain(value)) return;
    if (declared.is && declared.is !== (isArray ? 'array' : isContainer ? 'object' : 'single'))
      return this.#add(`must be ${declared.called}`, `send ${declared.called}`);
    if (typeof value === 'string') this.#text(value);
    if (!isContainer) return;
    if (depth === MAX_DEPTH)
      return this.#add(`must not be nested more than ${MAX_DEPTH} deep`, 'send less deeply nested values');
    if (isArray) this.#members(value, declared, depth);
    else this.#fields(value as Record<string, unknown>, declared, depth);
  }

  #members(array: readonly unknown[], { maxItems, members }: Declared, depth: number): void {
    if (array.length > maxItems)
      return this.#add(`must contain no more than ${maxItems} elements`, `send no more than ${maxItems} elements`);
    const declared = members ?? ANYTHING;
    const last = this.#path.push(0) - 1;
    for (let i = 0; i < array.length; i++) {
      this.#path[last] = i;
      this.at(array[i], declared, depth + 1);
    }
    this.#path.pop();
  }

  #fields(object: Record<string, unknown>, { of }: Declared, depth: number): void {
    const last = this.#path.push('') - 1;
    for (const key of Object.keys(object)) {
      this.#path[last] = key;
      const declared = declaredIn(of, key);
      if (!declared) this.#add('is not a known field', 'remove it or correct its name', true);
      else if (this.#text(key)) this.at(object[key], declared, depth + 1);
    }
    this.#path.pop();
  }

  /** Whether this is text that can be stored. PostgreSQL has no NUL, and half a surrogate pair is not Unicode. */
  #text(text: string): boolean {
    if (text.includes('\0')) this.#add('must not contain the character U+0000', 'remove the character');
    else if (!text.isWellFormed()) this.#add('must not contain half of a surrogate pair', 'send well-formed Unicode');
    else return true;
    return false;
  }

  #add(message: string, remedy: string, isUnknownField?: true): void {
    this.flaws.count++;
    if (this.flaws.named.length === MAX_NAMED) return;
    this.flaws.named.push({ field: fieldAt(this.#path), message, remedy, ...(isUnknownField && { isUnknownField }) });
  }
}

function fieldAt(path: readonly (string | number)[]): string {
  let field = '';
  for (const step of path) {
    if (typeof step === 'number') field += `[${step}]`;
    else if (PLAIN_NAME.test(step)) field += field ? `.${step}` : step;
    else field += `[${JSON.stringify(step.slice(0, NAME_LENGTH))}]`;
  }
  return field || 'body';
}

/** By the shape of its prototypes, which are another realm's in a test. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
