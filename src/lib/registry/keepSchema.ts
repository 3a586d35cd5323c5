import type { StandardJSONSchemaV1, StandardSchemaV1 } from '@standard-schema/spec';
import { checkText, invalid } from '../model/check.ts';
import type { JsonObject } from '../model/payload.ts';
import { canonicalJson, checkJsonObject } from './canonical.ts';
import type { DefinitionSchema, KeptSchema, Schemas } from './definition.ts';
import { REGISTRY_LIMITS } from './limits.ts';

/** A schema that was handed in: what of it is kept, and the code that stays in this process. */
interface GivenSchema {
  readonly kept: KeptSchema;
  readonly code: StandardSchemaV1 | null;
}

export type Side = 'input' | 'output';
export type GivenSchemas = Readonly<Record<Side, GivenSchema | null>>;

type Standard = Partial<StandardSchemaV1.Props & StandardJSONSchemaV1.Props>;

export function takeSchemas({ input, output }: Schemas): GivenSchemas {
  return { input: takeSchema(input, 'input'), output: takeSchema(output, 'output') };
}

export function isSameSchema(a: KeptSchema, b: KeptSchema | null): boolean {
  return (
    b !== null &&
    a.vendor === b.vendor &&
    canonicalJson(a.jsonSchema) === canonicalJson(b.jsonSchema)
  );
}

/**
 * Of a Standard Schema stays its JSON Schema, where it gives one: that of values before they are
 * transformed, since these are what is checked.
 */
function takeSchema(schema: DefinitionSchema | undefined, path: string): GivenSchema | null {
  if (schema === undefined) return null;
  const standard = standardOf(schema);
  if (standard === undefined) {
    return { kept: { jsonSchema: checkJsonObject(schema, path), vendor: null }, code: null };
  }
  const vendor = checkText(standard.vendor, `${path} vendor`, REGISTRY_LIMITS.tagBytesMax);
  const jsonSchema = standard.jsonSchema === undefined ? null : converted(standard, path);
  const isCode = typeof standard.validate === 'function';
  if (!isCode && jsonSchema === null) {
    throw invalid(path, 'must have a way to validate, or a JSON Schema');
  }
  return { kept: { jsonSchema, vendor }, code: isCode ? (schema as StandardSchemaV1) : null };
}

/** Some libraries make their schemas functions. */
function standardOf(schema: unknown): Standard | undefined {
  if (typeof schema !== 'object' && typeof schema !== 'function') return undefined;
  if (schema === null || !('~standard' in schema)) return undefined;
  const standard = schema['~standard'];
  return typeof standard === 'object' && standard !== null ? standard : undefined;
}

/** A schema that JSON Schema cannot express makes its library throw: then the code alone decides. */
function converted(standard: Standard, path: string): JsonObject | null {
  let jsonSchema: unknown;
  try {
    jsonSchema = standard.jsonSchema?.input({ target: 'draft-2020-12' });
  } catch {
    return null;
  }
  return checkJsonObject(jsonSchema, path);
}
