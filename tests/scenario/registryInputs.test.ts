import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type DefinitionSchema,
  isStoreError,
  type JsonObject,
  type Payload,
  type Registry,
} from '../../src/index.ts';
import { codeOf } from '../fixtures/refusals.ts';
import { ROOT } from './document.ts';
import { refusal, RegistryWorld } from './registryWorld.ts';

let world: RegistryWorld;
let registry: Registry;

beforeEach(async () => {
  world = await RegistryWorld.create('memory');
  ({ registry } = world);
});
afterEach(() => world.remove());

/** What a definition with this schema finds wrong with an input, as `path: message`. */
async function issuesWith(input: DefinitionSchema, value: Payload): Promise<readonly string[]> {
  await registry.publish('checked', '1.0.0', {}, { input });
  try {
    await registry.validateInput('checked', value);
    return [];
  } catch (error) {
    if (!isStoreError(error, 'INVALID_INPUT') || error.issues === undefined) throw error;
    return error.issues.map(({ path, message }) => `${path}: ${message}`);
  }
}

describe('a JSON Schema', () => {
  const accepted: readonly (readonly [string, JsonObject, Payload])[] = [
    ['takes what fits', { type: 'array', items: { type: 'integer' } }, [1, 2]],
    ['takes `format` as an annotation', { type: 'string', format: 'uri' }, 'no uri'],
    ['knows extensions', { 'x-ui': 1, properties: { a: { example: 1, 'x-order': 2 } } }, { a: 1 }],
    ['points inside of itself', { $ref: '#/$defs/a', $defs: { a: { type: 'null' } } }, null],
  ];
  test.each(accepted)('%s [RG-4]', async (_name, schema, value) => {
    expect(await issuesWith(schema, value)).toEqual([]);
  });

  const refused: readonly (readonly [string, JsonObject, Payload, readonly unknown[]])[] = [
    [
      'names each item by a JSON Pointer',
      { type: 'array', items: { properties: { 'a/b': { type: 'string' } } } },
      [{ 'a/b': 1 }, { 'a/b': 'x' }, { 'a/b': null }],
      ['/0/a~1b: must be string', '/2/a~1b: must be string'],
    ],
    ['does not coerce', { type: 'number' }, '1', [': must be number']],
    ['says what is allowed', { enum: ['a', 'b'] }, 'c', [expect.stringContaining('["a","b"]')]],
    ['does not describe bytes', {}, new Uint8Array(1), [expect.stringContaining('not bytes')]],
    [
      'of draft 07 has tuples',
      { $schema: 'http://json-schema.org/draft-07/schema#', items: [{ type: 'null' }] },
      [1],
      ['/0: must be null'],
    ],
    [
      'of draft 2019-09 has recursion of its own',
      {
        $schema: 'https://json-schema.org/draft/2019-09/schema',
        $recursiveAnchor: true,
        properties: { next: { $recursiveRef: '#' }, value: { type: 'string' } },
        unevaluatedProperties: false,
      },
      { next: { value: 1 } },
      ['/next/value: must be string'],
    ],
  ];
  test.each(refused)('%s [RG-4]', async (_name, schema, value, issues) => {
    expect(await issuesWith(schema, value)).toEqual(issues);
  });

  const wrong: readonly (readonly [string, unknown, string])[] = [
    ['misspells a keyword', { tpye: 'object' }, 'unknown keyword: "tpye"'],
    ['has a type that does not exist', { type: 'objct' }, '/type must be equal'],
    ['points outside', { $ref: 'https://example.com/other.json' }, "can't resolve reference"],
    ['has a pattern that is none', { pattern: '(' }, 'Invalid regular expression'],
    ['is asynchronous', { $async: true }, 'must not have $async'],
    ['is of another draft', { $schema: 'http://json-schema.org/draft-04/schema#' }, 'draft-04'],
    ['names no draft', { $schema: 7 }, 'input.$schema is 7'],
    ['is a list', [], 'input must be a JSON object'],
    ['is a number', 5, 'input must be a JSON object'],
    ['is bytes', new Uint8Array(2), 'input must be JSON, not bytes'],
    ['is not JSON', { const: Number.NaN }, 'input.const holds NaN'],
  ];
  test.each(wrong)('that %s is not published [RG-4]', async (_name, input, message) => {
    const options = { input: input as DefinitionSchema };
    const refused = await refusal(registry.publish('checked', '1.0.0', {}, options));
    expect(refused).toContain('INVALID_ARGUMENT: input');
    expect(refused).toContain(message);
    expect(await codeOf(registry.describe('checked'))).toBe('NOT_FOUND');
  });

  test('has nothing to do with another of the same $id [RG-4]', async () => {
    const schema = (type: string): JsonObject => ({
      $id: 'https://example.com/a',
      $defs: { part: { $id: 'part', type } },
      $ref: 'part',
    });
    await registry.publish('a', '1.0.0', {}, { input: schema('string') });
    await registry.publish('a', '1.1.0', {}, { input: schema('number') });
    await registry.validateInput('a@1.0.0', 'text');
    await registry.validateInput('a@1.1.0', 5);
    expect(await codeOf(registry.validateInput('a@1.1.0', 'text'))).toBe('INVALID_INPUT');
  });

  test('names three issues in its message, a hundred at most, and one of a large input [RG-4]', async () => {
    const input = { items: { type: 'null' } };
    expect(await issuesWith(input, Array(200).fill(0))).toHaveLength(100);
    expect(await issuesWith(input, Array(100_000).fill(0))).toHaveLength(1);
    const message = await refusal(registry.validateInput('checked', [1, 2, 3, 4, 5]));
    expect(message).toBe(
      'INVALID_INPUT: checked@1.0.0 refuses the input: /0 must be null; /1 must be null; ' +
        '/2 must be null; 2 more',
    );
  });

  test('is loaded when it is used, and says where code must not be made [RG-4]', async () => {
    const program = `
      import { createRequire } from 'node:module';
      import { openStore, Registry } from './src/index.ts';
      const loaded = () => Object.keys(createRequire(import.meta.url).cache)
        .filter((path) => /node_modules.(ajv|semver)/.test(path)).length;
      const before = loaded();
      const registry = new Registry(await openStore('memory:'));
      await registry.publish('a', '1.0.0', {});
      const refused = await registry.publish('b', '1.0.0', {}, { input: {} }).catch((e) => e.code);
      const own = { '~standard': { version: 1, vendor: 'own', validate: (value) => ({ value }),
        jsonSchema: { input: () => ({}), output: () => ({}) } } };
      await registry.publish('c', '1.0.0', {}, { input: own });
      await registry.createRun('c', 1);
      console.log(JSON.stringify({ before, after: loaded() > 0, refused }));`;
    const flags = ['--disallow-code-generation-from-strings', '--no-warnings'];
    const args = [...flags, '--input-type=module', '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
    expect(JSON.parse(stdout)).toEqual({ before: 0, after: true, refused: 'VALIDATOR_MISSING' });
  });
});

interface Standard {
  readonly vendor?: string;
  readonly jsonSchema?: () => Record<string, unknown>;
  readonly isFunction?: boolean;
}

/** A Standard Schema that wants an even number at `a/b`, asynchronously. */
function evenSchema({ vendor = 'own', jsonSchema, isFunction = false }: Standard = {}) {
  const validate = async (value: unknown) => {
    const number = (value as { 'a/b'?: unknown } | null)?.['a/b'];
    if (typeof number === 'number' && number % 2 === 0) return { value: 'transformed' };
    return { issues: [{ message: 'must be even', path: ['list', 0, { key: 'a/b' }] }] };
  };
  const converter = jsonSchema && { jsonSchema: { input: jsonSchema, output: jsonSchema } };
  const standard = { '~standard': { version: 1 as const, vendor, validate, ...converter } };
  return isFunction ? Object.assign(() => undefined, standard) : standard;
}

describe('a Standard Schema', () => {
  test.each([false, true])('checks in the process that has it [RG-4]', async (isFunction) => {
    const input = evenSchema({ isFunction });
    expect(await issuesWith(input, { 'a/b': 3 })).toEqual(['/list/0/a~1b: must be even']);
    const run = await registry.createRun('checked', { 'a/b': 4 });
    // What was given, and not what the schema makes of it: whoever reads it parses it again.
    expect(run.input).toEqual({ 'a/b': 4 });
    expect((await registry.get('checked', '1.0.0')).input).toEqual({
      jsonSchema: null,
      vendor: 'own',
    });
  });

  test('is code, which another process has to be given, by publishing or by hand [RG-4]', async () => {
    const options = { input: evenSchema(), output: evenSchema() };
    await registry.publish('checked', '1.0.0', {}, options);
    const other = await world.another();
    const message = await refusal(other.createRun('checked', { 'a/b': 2 }));
    expect(message).toContain('VALIDATOR_MISSING: the input of checked@1.0.0');
    await other.publish('checked', '1.0.0', {}, options);
    expect((await other.createRun('checked', { 'a/b': 2 })).status).toBe('queued');
    const third = await world.another();
    await third.provideSchemas('checked', '1.0.0', { output: evenSchema() });
    await third.provideSchemas('checked', '1.0.0', { input: evenSchema() });
    await third.provideSchemas('checked', '1.0.0', { output: evenSchema() });
    const run = await third.createRun('checked', { 'a/b': 2 });
    expect(await codeOf(third.validateOutput(run, { 'a/b': 1 }))).toBe('INVALID_OUTPUT');
    const wrong = [
      { input: evenSchema({ vendor: 'another' }) },
      { input: evenSchema({ jsonSchema: () => ({ type: 'object' }) }) },
      { input: { type: 'object' } },
    ];
    for (const schemas of wrong) {
      const refused = third.provideSchemas('checked', '1.0.0', schemas);
      expect(await codeOf(refused)).toBe('INVALID_ARGUMENT');
    }
    await registry.publish('plain', '1.0.0', {});
    const unasked = registry.provideSchemas('plain', '1.0.0', { input: evenSchema() });
    expect(await codeOf(unasked)).toBe('INVALID_ARGUMENT');
  });

  test('leaves its JSON Schema, where it gives one, for those who lack the code [RG-4]', async () => {
    // A keyword that is its library's own is no misspelling.
    const jsonSchema = () => ({ type: 'object', kind: 'even' });
    await registry.publish('checked', '1.0.0', {}, { input: evenSchema({ jsonSchema }) });
    const other = await world.another();
    await other.validateInput('checked', { 'a/b': 3 });
    expect(await codeOf(other.validateInput('checked', 3))).toBe('INVALID_INPUT');
    expect(await codeOf(registry.validateInput('checked', { 'a/b': 3 }))).toBe('INVALID_INPUT');
  });

  test('that JSON Schema cannot express is code alone, and one that is neither is refused [RG-4]', async () => {
    const jsonSchema = (): never => {
      throw new Error('it transforms');
    };
    const options = { input: evenSchema({ jsonSchema }) };
    const { input } = await registry.publish('checked', '1.0.0', {}, options);
    expect(input).toEqual({ jsonSchema: null, vendor: 'own' });
    const nothing = { '~standard': { version: 1, vendor: 'own' } } as unknown as DefinitionSchema;
    const neither = registry.publish('other', '1.0.0', {}, { input: nothing });
    expect(await codeOf(neither)).toBe('INVALID_ARGUMENT');
    const only = { version: 1, vendor: 'own', jsonSchema: { input: () => ({ type: 'null' }) } };
    const described = { '~standard': only } as unknown as DefinitionSchema;
    await registry.publish('other', '1.0.0', {}, { input: described });
    expect(await codeOf(registry.createRun('other', 1))).toBe('INVALID_INPUT');
  });
});

test('an output is checked against what its run is pinned to, and a run without that is refused [RG-4]', async () => {
  await registry.publish('checked', '1.0.0', {}, { output: { type: 'string' } });
  const run = await registry.createRun('checked@1.0.0');
  await registry.publish('checked', '1.1.0', {}, { output: { type: 'number' } });
  await registry.validateOutput(run, 'text');
  await expect(registry.validateOutput(run)).rejects.toMatchObject({
    code: 'INVALID_OUTPUT',
    issues: [{ path: '', message: 'must be string' }],
  });
  const other = await world.store.runs.create({ workflow: 'checked' });
  expect(await codeOf(registry.validateOutput(other, 1))).toBe('INVALID_ARGUMENT');
});
