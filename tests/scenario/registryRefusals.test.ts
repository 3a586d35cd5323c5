import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  type JsonObject,
  Registry,
  REGISTRY_LIMITS,
  type Store,
  StoreError,
} from '../../src/index.ts';
import { collect } from '../fixtures/collect.ts';
import { codeOf } from '../fixtures/refusals.ts';
import { refusal, RegistryWorld } from './registryWorld.ts';

const RUN = 'holdfast.registry:a';

let world: RegistryWorld;
let registry: Registry;

beforeEach(async () => {
  world = await RegistryWorld.create('memory');
  ({ registry } = world);
  await registry.publish('a', '1.0.0', {});
});
afterEach(() => world.remove());

describe('what a registry refuses, before anything is stored:', () => {
  test.each(['', 'a b', 'ä', '../a', 'a/', '/a', 'a//b', '@a', 'a@b', 'a#b', '-a', 'a/.b'])(
    'the name %j [RG-1]',
    async (name) => {
      expect(await codeOf(registry.publish(name, '1.0.0', {}))).toBe('INVALID_ARGUMENT');
    },
  );

  test.each(['a', 'A.b_c-d', '@team/agents/summarize', '0/1'])(
    'and not the name %j [RG-1]',
    async (name) => {
      await registry.publish(name, '2.0.0', {});
      expect((await registry.resolve(`${name}@2`)).name).toBe(name);
    },
  );

  test.each(['', '1', '1.0', 'v1.0.0', '01.0.0', '1.0.0+build', 'latest', ' 1.0.0'])(
    'the version %j [RG-1]',
    async (version) => {
      expect(await codeOf(registry.publish('a', version, {}))).toBe('INVALID_ARGUMENT');
      expect(await codeOf(registry.get('a', version))).toBe('INVALID_ARGUMENT');
    },
  );

  test.each(['', 'x', 'v1', '1.0.0', '^1', 'a b', '_a', '>=2'])(
    'the tag %j, which could not be found again [RG-2]',
    async (tag) => {
      expect(await codeOf(registry.tag('a', tag, '1.0.0'))).toBe('INVALID_ARGUMENT');
    },
  );

  test.each(['a@', 'a@!', 'a#sha256:0', 'a@1.0.0#md5:0', 'a@1 0 x y'])(
    'the reference %j [RG-2]',
    async (ref) => {
      expect(await codeOf(registry.resolve(ref))).toBe('INVALID_ARGUMENT');
    },
  );

  const untyped: readonly (readonly [string, (given: Registry) => Promise<unknown>])[] = [
    ['a manifest that is a list', (r) => r.publish('a', '2.0.0', [] as unknown as JsonObject)],
    ['a manifest with a hole', (r) => r.publish('a', '2.0.0', { a: Number.NaN })],
    ['an option that is not known', (r) => r.publish('a', '2.0.0', {}, { imput: {} } as object)],
    ['a tag that is none', (r) => r.publish('a', '2.0.0', {}, { tags: ['^1'] })],
    ['another kind than before', (r) => r.publish('a', '2.0.0', {}, { kind: 'tool' })],
    ['another kind in the manifest', (r) => r.publish('a', '2.0.0', { kind: 'tool' })],
    ['a kind that is no word', (r) => r.publish('b', '2.0.0', { kind: 'a tool' })],
    ['an empty reason', (r) => r.yank('a', '1.0.0', ' ')],
    ['schemas that are not known', (r) => r.provideSchemas('a', '1.0.0', { imput: {} } as object)],
    ['a filter that is not known', (r) => r.usage('a', { statos: 'failed' } as object)],
  ];
  test.each(untyped)('%s [RG-1]', async (_name, work) => {
    expect(await codeOf(work(registry))).toBe('INVALID_ARGUMENT');
    expect((await registry.describe('a')).versionCount).toBe(1);
  });

  const absent: readonly (readonly [string, (given: Registry) => Promise<unknown>])[] = [
    ['tag', (r) => r.tag('b', 'prod', '1.0.0')],
    ['untag', (r) => r.untag('a', 'prod')],
    ['rollback', (r) => r.rollback('a', 'prod')],
    ['yank', (r) => r.yank('a', '1.0.1', 'why')],
    ['deprecate', (r) => r.deprecate('b', '1.0.0', 'why')],
    ['describe', (r) => r.describe('b')],
    ['history', async (r) => r.history('b')],
    ['all of the history', (r) => collect(r.history('b'))],
    ['usage', (r) => r.usage('b')],
  ];
  test.each(absent)('%s of what is not there [RG-2]', async (_name, work) => {
    const seen = await collect(world.store.events.list(RUN));
    expect(await codeOf(work(registry))).toBe('NOT_FOUND');
    expect(await collect(world.store.events.list(RUN))).toEqual(seen);
    expect((await world.store.runs.list()).items).toHaveLength(1);
  });

  test('a list with an option that is not known, or of a kind that is none [RG-2]', async () => {
    expect(() => registry.list({ kin: 'tool' } as object)).toThrow('options.kin');
    expect(() => registry.list({ kind: 'a tool' })).toThrow('options.kind');
    expect(() => registry.history('../a')).toThrow('name must be words');
    expect(await codeOf((async () => registry.list({ cursor: 'x' }))())).toBe('INVALID_ARGUMENT');
  });

  test('a yanked version takes no tag [RG-3]', async () => {
    await registry.yank('a', '1.0.0', 'why');
    expect(await refusal(registry.tag('a', 'prod', '1.0.0'))).toContain('a@1.0.0');
    expect(await refusal(registry.resolve('a'))).toBe(
      'NOT_FOUND: a has no version that is not yanked',
    );
  });
});

test('what changes nothing writes nothing [RG-2] [RG-3]', async () => {
  await registry.yank('a', '1.0.0', 'why');
  const before = world.store.position();
  await registry.yank('a', '1.0.0', 'why');
  await registry.deprecate('a', '1.0.0', null);
  await registry.publish('a', '1.0.0', {}, { tags: ['prod'] });
  expect(world.store.position()).toBe(before);
});

describe('limits:', () => {
  const { definitionBytesMax, nameBytesMax, tagsMax, rollbacksMax } = REGISTRY_LIMITS;

  test('a definition, a name, a reason that are too long [RG-1]', async () => {
    const text = 'x'.repeat(definitionBytesMax);
    const long: readonly Promise<unknown>[] = [
      registry.publish('a', '2.0.0', { text }),
      registry.publish('n'.repeat(nameBytesMax + 1), '1.0.0', {}),
      registry.yank('a', '1.0.0', 'x'.repeat(REGISTRY_LIMITS.reasonBytesMax + 1)),
    ];
    for (const work of long) expect(await codeOf(work)).toBe('LIMIT_EXCEEDED');
    await registry.publish('n'.repeat(nameBytesMax), '1.0.0', { text: text.slice(400) });
    const found = await registry.resolve('n'.repeat(nameBytesMax));
    expect(found.manifest['text']).toHaveLength(definitionBytesMax - 400);
  });

  test('one tag more than a definition has [RG-2]', async () => {
    const tags = Array.from({ length: tagsMax - 1 }, (_, i) => `tag${i}`);
    await registry.publish('a', '1.1.0', {}, { tags });
    expect(await codeOf(registry.tag('a', 'more', '1.0.0'))).toBe('LIMIT_EXCEEDED');
    await registry.tag('a', 'tag0', '1.0.0');
  });

  test('a tag remembers a bounded number of its steps [RG-2]', async () => {
    await registry.publish('a', '2.0.0', {});
    for (let i = 0; i < rollbacksMax + 5; i++) {
      await registry.tag('a', 'prod', i % 2 === 0 ? '1.0.0' : '2.0.0');
    }
    const { metadata } = await world.store.runs.get(RUN);
    expect(metadata).toMatchObject({ tags: { prod: { before: { length: rollbacksMax } } } });
  });
});

describe('a run of the registry that something else has written', () => {
  const version = { '1.0.0': { checksum: 'sha256:0', artifact: 1, publishedAt: '' } };
  const broken: readonly (readonly [string, JsonObject])[] = [
    ['nothing at all', {}],
    ['no versions', { format: 1, kind: 'agent', tags: {} }],
    ['a list of versions', { format: 1, kind: 'agent', tags: {}, versions: [] }],
    ['no kind', { format: 1, tags: {}, versions: {} }],
    ['tags that are none', { format: 1, kind: 'agent', tags: 1, versions: {} }],
    ['no checksum', { format: 1, kind: 'agent', tags: {}, versions: { '1.0.0': {} } }],
    [
      'a tag of a version that is not there',
      {
        format: 1,
        kind: 'agent',
        tags: { a: { version: '1.0.1', before: [] } },
        versions: version,
      },
    ],
  ];
  test.each(broken)('with %s is not believed [RG-4]', async (_name, metadata) => {
    await world.store.runs.update(RUN, { metadata });
    const seen = [
      registry.resolve('a'),
      registry.publish('a', '1.0.0', {}),
      registry.publish('a', '2.0.0', {}),
      collect(registry.list()),
    ];
    for (const work of seen) expect(await codeOf(work)).toBe('DATA_CORRUPT');
  });

  test('of another workflow is not believed either [RG-4]', async () => {
    await world.store.runs.create({ id: 'holdfast.registry:b', workflow: 'b' });
    expect(await codeOf(registry.publish('b', '1.0.0', {}))).toBe('DATA_CORRUPT');
  });

  test('in a newer format is left alone [RG-4]', async () => {
    await world.store.runs.update(RUN, { metadata: { format: 2 } });
    expect(await codeOf(registry.resolve('a'))).toBe('UNSUPPORTED_FORMAT');
    expect(await codeOf(registry.yank('a', '1.0.0', 'why'))).toBe('UNSUPPORTED_FORMAT');
  });

  test('with events of its own keeps them out of the history [RG-2]', async () => {
    await world.store.events.append(RUN, { type: 'registry.noted', payload: 1 });
    expect(await collect(registry.history('a'))).toHaveLength(2);
    expect((await registry.history('a')).items).toHaveLength(2);
  });
});

test('a version whose content is of another is not served [RG-4]', async () => {
  await registry.publish('a', '1.1.0', { other: true });
  // The bytes are whole, and as the checksum says; but they are not those of this version.
  const body = Buffer.concat(await collect(world.store.artifacts.open(RUN, '1.1.0')));
  await world.store.artifacts.put(RUN, { name: '1.0.0', body });
  const { metadata } = await world.store.runs.get(RUN);
  const versions = metadata['versions'] as Readonly<Record<string, JsonObject>>;
  const swapped = { ...versions, '1.0.0': { ...versions['1.1.0'], artifact: 2 } };
  await world.store.runs.update(RUN, { metadata: { ...metadata, versions: swapped } });
  expect(await refusal((await world.another()).resolve('a@1.0.0'))).toBe(
    'DATA_CORRUPT: the bytes of a@1.0.0 are those of a@1.1.0',
  );
});

test('content in a newer format is left alone [RG-4]', async () => {
  const body = JSON.stringify({ format: 2 });
  const checksum = `sha256:${createHash('sha256').update(body).digest('hex')}`;
  await world.store.artifacts.put(RUN, { name: '1.0.0', body });
  const { metadata } = await world.store.runs.get(RUN);
  const versions = { '1.0.0': { checksum, artifact: 2, publishedAt: new Date(0).toISOString() } };
  await world.store.runs.update(RUN, { metadata: { ...metadata, versions } });
  expect(await codeOf((await world.another()).resolve('a'))).toBe('UNSUPPORTED_FORMAT');
});

describe('when publishers of other processes are faster every time', () => {
  /** A registry on a store of which so many transactions give up. */
  function losing(times: number): { readonly registry: Registry; readonly left: () => number } {
    let left = times;
    const { store } = world;
    const transaction: Store['transaction'] = async (runIds, work) => {
      if (left-- > 0) throw new StoreError('VERSION_CONFLICT', 'others moved the run');
      return store.transaction(runIds, work);
    };
    const { runs, steps, events, artifacts } = store;
    const slow = { runs, steps, events, artifacts, transaction } as unknown as Store;
    return { registry: new Registry(slow), left: () => left };
  }

  test('those of one process wait for each other instead [RG-1]', async () => {
    let tries = 0;
    const { runs, steps, events, artifacts } = world.store;
    const transaction: Store['transaction'] = (runIds, work) =>
      world.store.transaction(runIds, (tx) => {
        tries += 1;
        return work(tx);
      });
    const counted = { runs, steps, events, artifacts, transaction } as unknown as Store;
    const eager = new Registry(counted);
    await Promise.all(Array.from({ length: 20 }, (_, i) => eager.publish('a', `1.1.${i}`, {})));
    expect(tries).toBe(20);
  });

  test('a publisher goes on until it is its turn [RG-1]', async () => {
    const { registry: slow } = losing(19);
    expect((await slow.publish('a', '1.1.0', {})).version).toBe('1.1.0');
  });

  test('but not for ever, and says so [RG-1]', async () => {
    const { registry: slow, left } = losing(1_000);
    expect(await codeOf(slow.publish('a', '1.1.0', {}))).toBe('VERSION_CONFLICT');
    expect(left()).toBe(980);
    expect((await registry.describe('a')).versionCount).toBe(1);
  });
});
