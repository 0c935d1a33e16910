import { defaultMetadataStorage as storage } from 'class-transformer/cjs/storage.js';
import { rulesOf } from './payload.rules.js';

type Class = new () => object;

/** The classes of the nested fields of a class; null when class-transformer has to be asked. */
type Shape = ReadonlyMap<string, Class | undefined> | null;

const shapes = new WeakMap<Class, Shape>();
const UNSURE = Symbol('class-transformer has to be asked');

/**
 * What class-transformer makes of a plain object for a class with rules; undefined when it has to be asked, because the
 * class, or the object, is not as plain as that.
 */
export function instanceOf(type: Class, plain: unknown): object | undefined {
  const instance = isPlain(plain) ? make(type, plain) : UNSURE;
  return instance === UNSURE ? undefined : instance;
}

function make(type: Class, plain: Record<string, unknown>): object | typeof UNSURE {
  const shape = shapeOf(type);
  if (!shape) return UNSURE;
  const instance = new type() as Record<string, unknown>;
  for (const key of Object.keys(plain)) {
    if (!shape.has(key)) return UNSURE;
    const value = field(shape.get(key), plain[key]);
    if (value === UNSURE) return UNSURE;
    instance[key] = value;
  }
  return instance;
}

function field(type: Class | undefined, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (!Array.isArray(value)) return type && isPlain(value) ? make(type, value) : UNSURE;
  const all: unknown[] = [];
  // Skips holes, as class-transformer does.
  value.forEach((one: unknown) => all.push(Array.isArray(one) ? UNSURE : field(type, one)));
  return all.includes(UNSURE) ? UNSURE : all;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== null && Object.getPrototypeOf(prototype) === null;
}

function shapeOf(type: Class): Shape {
  let shape = shapes.get(type);
  if (shape === undefined) shapes.set(type, (shape = lookUp(type)));
  return shape;
}

const TO_CLASS = 0;

function lookUp(type: Class): Shape {
  const rules = rulesOf(type);
  if (!rules || storage.getStrategy(type) !== 'none') return null;
  const shape = new Map<string, Class | undefined>();
  for (const name of rules.keys()) {
    const isTouched =
      name in type.prototype ||
      storage.findExposeMetadata(type, name) ||
      storage.findExcludeMetadata(type, name) ||
      storage.findTransformMetadatas(type, name, TO_CLASS).length > 0;
    const nested = storage.findTypeMetadata(type, name);
    if (isTouched || nested?.options?.discriminator) return null;
    // A function that looks at the value, or has none to give, is class-transformer's to call.
    const of = nested?.typeFunction?.length === 0 ? (nested.typeFunction as () => Class)() : undefined;
    if (nested && !(of && rulesOf(of))) return null;
    shape.set(name, of);
  }
  return shape;
}
