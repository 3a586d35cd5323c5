import type { ErrorObject, Options, ValidateFunction } from 'ajv';
import { isStoreError, StoreError, type ValidationIssue } from '../errors.ts';
import { invalid } from '../model/check.ts';
import type { JsonObject, Payload } from '../model/payload.ts';

export type Check = (value: Payload) => readonly ValidationIssue[];

const OPTIONS: Options = {
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  // An annotation, which is what draft 2020-12 says of `format` where nothing else is agreed on.
  validateFormats: false,
  // The value that was checked is the value that is stored.
  coerceTypes: false,
  useDefaults: false,
  removeAdditional: false,
  logger: false,
};

/** Of OpenAPI, where many JSON Schemas come from: they say nothing of what is valid. */
const ANNOTATIONS = ['example', 'discriminator', 'externalDocs', 'xml'];

/** An input larger than this is refused with its first issue: each item of a list could have one. */
const ALL_ISSUES_CHARACTERS_MAX = 64 * 1024;
const ISSUES_MAX = 100;

const DRAFTS = {
  'draft/2020-12': async () => (await import('ajv/dist/2020.js')).Ajv2020,
  'draft/2019-09': async () => (await import('ajv/dist/2019.js')).Ajv2019,
  'draft-07': async () => (await import('ajv')).Ajv,
} as const;
type Draft = keyof typeof DRAFTS;

/**
 * A JSON Schema as a function. `INVALID_ARGUMENT` for one that is wrong, misspelt, or points outside of
 * itself. It is compiled to JavaScript (`new Function`): a process that forbids that (`node
 * --disallow-code-generation-from-strings`, some edge platforms) gets `VALIDATOR_MISSING`.
 */
export async function compileJsonSchema(
  schema: JsonObject,
  path: string,
  { isStrict }: { readonly isStrict: boolean },
): Promise<Check> {
  const Ajv = await DRAFTS[draftOf(schema, path)]();
  // A misspelt keyword would be no condition at all, for good: a published version does not change.
  const options = { ...OPTIONS, strictSchema: isStrict };
  try {
    const meta = new Ajv(options);
    if (meta.validateSchema(schema) !== true) {
      const [first] = issuesOf(meta.errors ?? []);
      throw invalid(path, `is no JSON Schema: ${first?.path ?? ''} ${first?.message ?? ''}`);
    }
    // Nothing is shared between two schemas: their `$id`s may be the same.
    const compile = (allErrors: boolean): ValidateFunction => {
      const ajv = new Ajv({ ...options, allErrors, meta: false, validateSchema: false });
      ajv.addVocabulary([...ANNOTATIONS, ...extensionsOf(schema)]);
      return ajv.compile(schema);
    };
    return checkWith(compile(false), compile, path);
  } catch (error) {
    throw refusal(error, path);
  }
}

function draftOf({ $schema }: JsonObject, path: string): Draft {
  if ($schema === undefined) return 'draft/2020-12';
  const named = typeof $schema === 'string' ? $schema : '';
  const [, name = ''] = /^https?:\/\/json-schema\.org\/([\w/-]+)\/schema#?$/.exec(named) ?? [];
  if (Object.hasOwn(DRAFTS, name)) return name as Draft;
  const known = 'those of the drafts 2020-12, 2019-09 and 07 are';
  throw invalid(`${path}.$schema`, `is ${JSON.stringify($schema)}, which is not known; ${known}`);
}

/** Keywords that begin with `x-` are everybody's own. Names of properties among them do no harm. */
function extensionsOf(schema: unknown): readonly string[] {
  const found = new Set<string>();
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, item] of Object.entries(value)) {
      if (/^x-[\w-]+$/.test(key)) found.add(key);
      walk(item);
    }
  };
  walk(schema);
  return [...found];
}

function checkWith(
  quick: ValidateFunction,
  compile: (allErrors: boolean) => ValidateFunction,
  path: string,
): Check {
  if ('$async' in quick) throw invalid(path, 'must not have $async: nothing of it is asynchronous');
  let thorough: ValidateFunction | undefined;
  return (value) => {
    if (value instanceof Uint8Array) {
      return [{ path: '', message: 'must be JSON, as the schema is, and not bytes' }];
    }
    if (quick(value)) return [];
    if (JSON.stringify(value).length > ALL_ISSUES_CHARACTERS_MAX) {
      return issuesOf(quick.errors ?? []);
    }
    thorough ??= compile(true);
    thorough(value);
    return issuesOf(thorough.errors ?? []).slice(0, ISSUES_MAX);
  };
}

/** Messages that would leave out what they speak of. */
const NAMING: Readonly<Record<string, string>> = {
  additionalProperties: 'additionalProperty',
  unevaluatedProperties: 'unevaluatedProperty',
  enum: 'allowedValues',
  const: 'allowedValue',
};

function issuesOf(errors: readonly ErrorObject[]): readonly ValidationIssue[] {
  return errors.map(({ instancePath, keyword, params, message = keyword }) => {
    const named: unknown = (params as Readonly<Record<string, unknown>>)[NAMING[keyword] ?? ''];
    const rest = named === undefined ? '' : `: ${JSON.stringify(named)}`;
    return { path: instancePath, message: `${message}${rest}` };
  });
}

function refusal(error: unknown, path: string): unknown {
  if (isStoreError(error)) return error;
  // By name: an error may come from another realm.
  const { name, message } = error as Error;
  if (name === 'EvalError') {
    const why = `${path}: this process does not compile JSON Schemas, for it forbids new Function`;
    return new StoreError('VALIDATOR_MISSING', why, { cause: error });
  }
  return new StoreError('INVALID_ARGUMENT', `${path} is no JSON Schema: ${message}`, {
    cause: error,
  });
}
