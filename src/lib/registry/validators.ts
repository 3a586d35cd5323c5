import type { StandardSchemaV1 } from '@standard-schema/spec';
import { isStoreError, StoreError, type ValidationIssue } from '../errors.ts';
import type { Payload } from '../model/payload.ts';
import type { Definition, KeptSchema } from './definition.ts';
import { type Check, compileJsonSchema } from './jsonSchema.ts';
import type { GivenSchemas, Side } from './keepSchema.ts';

const REFUSED = { input: 'INVALID_INPUT', output: 'INVALID_OUTPUT' } as const;

/** Checks values against definitions: by code where this process has it, else by its JSON Schema. */
export class Validators {
  /** By checksum: a Standard Schema was handed in for a content, and for no other. */
  readonly #code = new Map<string, Readonly<Record<Side, StandardSchemaV1 | null>>>();
  /** By schema: contents are frozen, and go when nobody has read them for a while. */
  readonly #compiled = new WeakMap<KeptSchema, Promise<Check | null>>();

  provide(checksum: string, { input, output }: GivenSchemas): void {
    const known = this.#code.get(checksum);
    const code = {
      input: input?.code ?? known?.input ?? null,
      output: output?.code ?? known?.output ?? null,
    };
    if (code.input !== null || code.output !== null) this.#code.set(checksum, code);
  }

  /** Refuses a schema that could never check anything, before it is published for good. */
  async tryOut(given: GivenSchemas): Promise<void> {
    for (const side of ['input', 'output'] as const) {
      const schema = given[side];
      if (schema === null) continue;
      try {
        await compile(schema.kept, side);
      } catch (error) {
        // Here the code decides; it is for others that its JSON Schema is kept.
        if (schema.code === null || !isStoreError(error, 'VALIDATOR_MISSING')) throw error;
      }
    }
  }

  /** Resolves when the value is as the definition says; else `INVALID_INPUT` or `INVALID_OUTPUT`. */
  async check(definition: Definition, side: Side, value: Payload): Promise<void> {
    const issues = await this.#issues(definition, side, value);
    if (issues.length === 0) return;
    const { name, version } = definition;
    const shown = issues
      .slice(0, SHOWN_MAX)
      .map(({ path, message }) => `${path} ${message}`.trim());
    const more = issues.length > shown.length ? `; ${issues.length - shown.length} more` : '';
    const message = `${name}@${version} refuses the ${side}: ${shown.join('; ')}${more}`;
    throw new StoreError(REFUSED[side], message, { id: name, issues });
  }

  async #issues(
    definition: Definition,
    side: Side,
    value: Payload,
  ): Promise<readonly ValidationIssue[]> {
    const { name, version, checksum } = definition;
    const kept = definition[side];
    if (kept === null) return [];
    const code = this.#code.get(checksum)?.[side];
    if (code) return issuesOfStandard(await code['~standard'].validate(value));
    const check = await this.#compile(kept, side);
    if (check !== null) return check(value);
    const message = `the ${side} of ${name}@${version} is checked by code of ${kept.vendor}`;
    throw new StoreError('VALIDATOR_MISSING', `${message}, which this process was not given`, {
      id: name,
    });
  }

  #compile(kept: KeptSchema, side: Side): Promise<Check | null> {
    const known = this.#compiled.get(kept);
    if (known !== undefined) return known;
    const compiling = compile(kept, side);
    this.#compiled.set(kept, compiling);
    return compiling;
  }
}

/** `null` where all that is known is in the code. */
async function compile({ jsonSchema, vendor }: KeptSchema, side: Side): Promise<Check | null> {
  // A library misspells nothing, and has keywords of its own.
  return jsonSchema && compileJsonSchema(jsonSchema, side, { isStrict: vendor === null });
}

const SHOWN_MAX = 3;

function issuesOfStandard(result: StandardSchemaV1.Result<unknown>): readonly ValidationIssue[] {
  return (result.issues ?? []).map(({ message, path = [] }) => ({
    path: path.map((part) => `/${pointerPart(part)}`).join(''),
    message,
  }));
}

/** A step of a JSON Pointer (RFC 6901). */
function pointerPart(part: PropertyKey | StandardSchemaV1.PathSegment): string {
  const key = typeof part === 'object' ? part.key : part;
  return String(key).replaceAll('~', '~0').replaceAll('/', '~1');
}
