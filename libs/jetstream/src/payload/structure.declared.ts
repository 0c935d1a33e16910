import 'reflect-metadata';
import { defaultMetadataStorage as storage } from 'class-transformer/cjs/storage.js';
import { getMetadataStorage, ValidationTypes } from 'class-validator';

/** How many elements an array may have whose field does not say so by `@ArrayMaxSize`. */
export const MAX_ITEMS = 1_000;

type Class = new () => object;
type Rule = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];

/** What the code says of how a value is built. */
export interface Declared {
  /** Left out where the code does not say. */
  is?: 'array' | 'object' | 'single';
  /** The same in words. */
  called?: string;
  /** The class of an object. */
  of?: Class;
  /** What each element of an array is. */
  members?: Declared;
  maxItems: number;
}

/** What may be built in any way: only depth and text are judged, for it costs no more than its bytes. */
export const ANYTHING: Declared = { maxItems: Infinity };

const SINGLE = new Map<unknown, Declared>([
  [String, single('a string')],
  [Number, single('a number')],
  [Boolean, single('a boolean')],
  [BigInt, single('a single value')],
  [Date, single('a single value')],
]);

const TO_CLASS = 0;
const known = new WeakMap<Class, ReadonlyMap<string, Declared> | null>();

/** What a parameter's or a field's type says of its value. */
export function declaredBy(type: unknown): Declared {
  if (type === Array) return { is: 'array', called: 'an array', maxItems: MAX_ITEMS };
  const one = SINGLE.get(type);
  if (one) return one;
  return isClass(type) && fieldsOf(type) ? objectOf(type) : ANYTHING;
}

/** The fields of a class with rules, looked up once; undefined for a class without. */
export function fieldsOf(type: Class): ReadonlyMap<string, Declared> | undefined {
  let fields = known.get(type);
  if (fields === undefined) known.set(type, (fields = lookUp(type)));
  return fields ?? undefined;
}

function lookUp(type: Class): ReadonlyMap<string, Declared> | null {
  const rules = new Map<string, Rule[]>();
  for (const rule of getMetadataStorage().getTargetValidationMetadatas(type, '', false, false))
    rules.set(rule.propertyName, [...(rules.get(rule.propertyName) ?? []), rule]);
  if (rules.size === 0) return null;
  const fields = new Map([...rules].map(([name, all]) => [name, declaredOf(type, name, all)]));
  for (const { propertyName = '', options } of storage.getExposedMetadatas(type))
    if (options?.name) fields.set(options.name, fields.get(propertyName) ?? ANYTHING);
  return fields;
}

function declaredOf(type: Class, name: string, rules: readonly Rule[]): Declared {
  // What is sent is not what it becomes.
  if (storage.findTransformMetadatas(type, name, TO_CLASS).length > 0) return ANYTHING;
  const design: unknown = Reflect.getMetadata('design:type', type.prototype as object, name);
  const isNested = rules.some((rule) => rule.type === ValidationTypes.NESTED_VALIDATION);
  const member = isNested ? objectOf(nestedOf(type, name, design)) : undefined;
  const most = rules.filter((rule) => rule.name === 'arrayMaxSize' && !rule.each);
  const maxItems = Math.min(...most.map(({ constraints }) => Number(constraints[0])));
  const list: Declared = {
    maxItems: maxItems === Infinity ? MAX_ITEMS : maxItems,
    ...(member && { members: member }),
  };
  if (design === Array || rules.some(isOfArrays)) return { ...list, is: 'array', called: 'an array' };
  if (member) return isClass(design) ? member : { ...member, ...list, is: undefined };
  return SINGLE.get(design) ?? list;
}

/** `@IsArray`, `@ArrayMinSize` and their like; with `each` they speak of the elements. */
function isOfArrays({ name, each }: Rule): boolean {
  return !each && (name === 'isArray' || name?.startsWith('array') === true);
}

/** The class of a nested value; undefined when it depends on the value. */
function nestedOf(type: Class, name: string, design: unknown): Class | undefined {
  const nested = storage.findTypeMetadata(type, name);
  if (!nested) return isClass(design) ? design : undefined;
  if (nested.options?.discriminator || nested.typeFunction?.length !== 0) return undefined;
  const of: unknown = (nested.typeFunction as () => unknown)();
  return isClass(of) ? of : undefined;
}

function objectOf(type: Class | undefined): Declared {
  return { is: 'object', called: 'an object', maxItems: MAX_ITEMS, ...(type && { of: type }) };
}

function isClass(type: unknown): type is Class {
  return typeof type === 'function' && ![Object, Array, Set, Map, Promise].includes(type as never);
}

function single(called: string): Declared {
  return { is: 'single', called, maxItems: MAX_ITEMS };
}
