import 'reflect-metadata';
import { defaultMetadataStorage } from 'class-transformer/cjs/storage.js';
import { type EventType, events, ceType } from '@pavane/contracts';
import { validationMetadatasToSchemas } from 'class-validator-jsonschema';

type Schema = Record<string, unknown>;

/** The JSON Schema of each published version of an event, by `ce-type`. */
export function schemas(): Map<string, Schema> {
  const all = validationMetadatasToSchemas({
    refPointerPrefix: '#/$defs/',
    classTransformerMetadataStorage: defaultMetadataStorage,
    // `required` says the one, and `date-time` the other.
    additionalConverters: { isDefined: {}, hasZone: {} },
  }) as Record<string, Schema>;
  return new Map(
    (Object.keys(events) as EventType[]).map((type) => {
      const name = events[type].payload.name;
      const used = new Set<string>();
      collect(all[name]!, all, used);
      const $defs = Object.fromEntries([...used].sort().map((def) => [def, strict(all[def]!)]));
      return [
        ceType(type),
        {
          $schema: 'https://json-schema.org/draft/2020-12/schema',
          $id: ceType(type),
          title: name,
          ...strict(all[name]!),
          ...(used.size > 0 && { $defs }),
        },
      ];
    }),
  );
}

/**
 * The text of a published schema. What is published stays as it is: throws when the class behind it says otherwise by now,
 * because somebody out there goes by this version; while it is not final, it may change.
 */
export function asPublished(
  file: string,
  schema: Schema,
  published: string | undefined,
  isFinal: () => boolean = () => true,
): string {
  if (published === undefined) return `${JSON.stringify(schema, null, 2)}\n`;
  if (JSON.stringify(JSON.parse(published)) === JSON.stringify(schema)) return published;
  if (!isFinal()) return `${JSON.stringify(schema, null, 2)}\n`;
  throw new Error(
    `${file} is published and libs/contracts says otherwise now; a change of what an event carries needs a new version of it`,
  );
}

/** Events carry what their class says and nothing else. */
const strict = (schema: Schema): Schema => ({ ...schema, additionalProperties: false });

function collect(schema: unknown, all: Record<string, Schema>, used: Set<string>): void {
  if (typeof schema !== 'object' || schema === null) return;
  for (const [key, value] of Object.entries(schema)) {
    const name = key === '$ref' ? String(value).split('/').at(-1)! : undefined;
    if (name && !used.has(name)) {
      used.add(name);
      collect(all[name], all, used);
    } else collect(value, all, used);
  }
}
