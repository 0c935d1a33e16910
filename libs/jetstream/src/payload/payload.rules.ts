import { getMetadataStorage, ValidationTypes } from 'class-validator';

type Metadata = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']>[number];
type Constraint = ReturnType<ReturnType<typeof getMetadataStorage>['getTargetValidatorConstraints']>[number];

/** What class-validator knows of one field. */
interface Field {
  conditions: Metadata[];
  checks: { metadata: Metadata; constraints: Constraint[] }[];
  isNested: boolean;
}

const known = new WeakMap<object, ReadonlyMap<string, Field> | null>();

/** The rules of a class by field, looked up once; undefined for a class without rules, or with some that `holds` cannot judge. */
export function rulesOf(type: object): ReadonlyMap<string, Field> | undefined {
  let rules = known.get(type);
  if (rules === undefined) known.set(type, (rules = lookUp(type) ?? null));
  return rules ?? undefined;
}

/**
 * Whether class-validator would find nothing wrong with `object`, fields without rules included. True is certain; false
 * only says that it has to be asked.
 */
export function holds(object: unknown): boolean {
  if (typeof object !== 'object' || object === null) return false;
  const rules = rulesOf(object.constructor);
  if (!rules) return false;
  for (const name of Object.keys(object)) if (!rules.has(name)) return false;
  for (const [name, field] of rules)
    if (!fieldHolds(object, (object as Record<string, unknown>)[name], field)) return false;
  return true;
}

function fieldHolds(object: object, value: unknown, { conditions, checks, isNested }: Field): boolean {
  for (const { constraints } of conditions) if (!(constraints[0] as Condition)(object, value)) return true;
  for (const { metadata, constraints } of checks) {
    const about = {
      targetName: object.constructor.name,
      property: metadata.propertyName,
      object,
      value,
      constraints: metadata.constraints as unknown[],
    };
    if (metadata.each && (value instanceof Set || value instanceof Map)) return false;
    for (const { instance } of constraints) {
      const passes = (one: unknown) => isTrue(instance.validate(one, about));
      if (!(metadata.each && Array.isArray(value) ? value.every(passes) : passes(value))) return false;
    }
  }
  if (!isNested || value === undefined) return true;
  return Array.isArray(value) ? value.every(holds) : holds(value);
}

/** A check that takes time without having said so is done again by class-validator, which waits for it. */
function isTrue(verdict: Promise<boolean> | boolean): boolean {
  if (verdict instanceof Promise) verdict.catch(() => undefined);
  return verdict === true;
}

type Condition = (object: object, value: unknown) => boolean;

function lookUp(type: object): ReadonlyMap<string, Field> | undefined {
  if (typeof type !== 'function') return undefined;
  const storage = getMetadataStorage();
  const all = storage.getTargetValidationMetadatas(type, '', false, false);
  const rules = new Map<string, Field>();
  for (const metadata of all) {
    const field = rules.get(metadata.propertyName) ?? { conditions: [], checks: [], isNested: false };
    rules.set(metadata.propertyName, field);
    if (metadata.type === ValidationTypes.CONDITIONAL_VALIDATION) field.conditions.push(metadata);
    else if (metadata.type === ValidationTypes.NESTED_VALIDATION) field.isNested = true;
    else if (metadata.type === ValidationTypes.CUSTOM_VALIDATION || metadata.type === ValidationTypes.IS_DEFINED) {
      const constraints = storage.getTargetValidatorConstraints(metadata.constraintCls);
      if (metadata.validateIf || constraints.some(({ async }) => async)) return undefined;
      field.checks.push({ metadata, constraints });
    } else if (metadata.type !== ValidationTypes.WHITELIST) return undefined;
  }
  return rules.size > 0 ? rules : undefined;
}
