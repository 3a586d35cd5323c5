import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Registry, REGISTRY_WORKFLOW } from '../../src/index.ts';
import { collect } from '../fixtures/collect.ts';
import { codeOf } from '../fixtures/refusals.ts';
import { BACKENDS, RegistryWorld } from './registryWorld.ts';

const RUN = 'holdfast.registry:summarize';
const INPUT = {
  type: 'object',
  properties: { url: { type: 'string' }, depth: { type: 'integer' } },
  required: ['url'],
  additionalProperties: false,
};

describe.each(BACKENDS)('a registry on %s:', (backend) => {
  let world: RegistryWorld;

  beforeEach(async () => {
    world = await RegistryWorld.create(backend);
  });
  afterEach(() => world.remove());

  const publishAll = async (...versions: readonly string[]): Promise<void> => {
    for (const version of versions) await world.registry.publish('summarize', version, { version });
  };

  test('a published version never changes, whoever asks, also after a restart [RG-1]', async () => {
    const first = await world.registry.publish(
      'summarize',
      '1.0.0',
      { model: 'small', steps: [{ b: 1, a: 2 }] },
      { input: INPUT, output: { type: 'string' }, kind: 'agent' },
    );
    expect(first).toMatchObject({ name: 'summarize', version: '1.0.0', kind: 'agent' });
    expect(first.ref).toBe(`summarize@1.0.0#${first.checksum}`);
    // Not in the hands of who has got it either: others may have the same.
    const [step] = first.manifest['steps'] as [{ a: number }];
    expect(() => (step.a = 3)).toThrow(TypeError);
    await world.reopen();
    const other = await world.another();
    // The same content in another order of keys.
    const same = { steps: [{ a: 2, b: 1 }], model: 'small' };
    const schemas = { output: { type: 'string' }, input: INPUT };
    expect(await other.publish('summarize', '1.0.0', same, schemas)).toEqual(first);
    for (const work of [
      other.publish('summarize', '1.0.0', { model: 'large' }, schemas),
      other.publish('summarize', '1.0.0', same, { ...schemas, output: { type: 'number' } }),
      world.registry.publish('summarize', '1.0.0', same),
    ]) {
      expect(await codeOf(work)).toBe('VERSION_EXISTS');
    }
    expect(await world.registry.get('summarize', '1.0.0')).toEqual(first);
    // Even by hand its artifact only gets another version, which nobody reads.
    await world.store.artifacts.put(RUN, { name: '1.0.0', body: '{}' });
    await world.reopen();
    expect(await world.registry.get('summarize', '1.0.0')).toEqual(first);
    expect(await collect(world.registry.history('summarize'))).toHaveLength(2);
  });

  test('what is published is not deleted by a slip [RG-1]', async () => {
    await publishAll('1.0.0');
    const { artifacts, runs } = world.store;
    for (const work of [runs.delete(RUN), artifacts.delete(RUN, '1.0.0')]) {
      expect(await codeOf(work)).toBe('ARTIFACT_HELD');
    }
    expect(await world.registry.get('summarize', '1.0.0')).toMatchObject({ version: '1.0.0' });
  });

  test('of publishers at once one wins, the same content is the same version, none is lost [RG-1]', async () => {
    const [mine, theirs] = [world.registry, await world.another()];
    const registries = [mine, theirs, new Registry(world.store)];
    const race = await Promise.allSettled(
      [...registries, ...registries].map((registry, i) =>
        registry.publish('summarize', '1.0.0', { by: i % 2 }),
      ),
    );
    const won = race.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const lost = race.flatMap((one): unknown[] => (one.status === 'rejected' ? [one.reason] : []));
    expect(won).toHaveLength(3);
    expect(new Set(won.map(({ checksum }) => checksum)).size).toBe(1);
    expect(lost).toEqual(Array(3).fill(expect.objectContaining({ code: 'VERSION_EXISTS' })));
    const versions = Array.from({ length: 24 }, (_, i) => `1.${i + 1}.0`);
    await Promise.all(
      versions.map((version, i) => {
        const registry = i % 2 === 0 ? mine : theirs;
        return registry.publish('summarize', version, { version }, { tags: ['newest'] });
      }),
    );
    const overview = await world.registry.describe('summarize');
    expect(overview.versions.map(({ version }) => version)).toEqual([
      ...versions.toReversed(),
      '1.0.0',
    ]);
    expect(overview.tags['latest']).toBe('1.24.0');
    const history = await collect(world.registry.history('summarize'));
    expect(history.filter(({ action }) => action === 'published')).toHaveLength(25);
    const moves = history.filter(({ tag }) => tag === 'newest');
    expect(moves.map(({ from }) => from)).toEqual([
      null,
      ...moves.slice(0, -1).map(({ version }) => version),
    ]);
  });

  test('a range finds the highest version, a tag the one that it points at [RG-2]', async () => {
    await publishAll('1.0.0', '2.0.0', '1.2.0', '1.10.0', '3.0.0-beta.1');
    await world.registry.tag('summarize', 'stable', '1.2.0');
    await world.reopen();
    const found = async (ref: string) => (await world.registry.resolve(ref)).version;
    expect(await found('summarize')).toBe('2.0.0');
    expect(await found('summarize@latest')).toBe('2.0.0');
    expect(await found('summarize@^1.2')).toBe('1.10.0');
    expect(await found('summarize@>=1 <1.10')).toBe('1.2.0');
    expect(await found('summarize@*')).toBe('2.0.0');
    expect(await found('summarize@3.0.0-beta.1')).toBe('3.0.0-beta.1');
    expect(await found('summarize@^3.0.0-beta')).toBe('3.0.0-beta.1');
    expect(await found('summarize@stable')).toBe('1.2.0');
    const { ref, manifest } = await world.registry.resolve('summarize@1');
    expect(manifest).toEqual({ version: '1.10.0' });
    expect(await found(ref)).toBe('1.10.0');
    for (const missing of ['summarize@^4', 'summarize@canary', 'summarize@1.1.0', 'other@1']) {
      expect(await codeOf(world.registry.resolve(missing))).toBe('NOT_FOUND');
    }
  });

  test('a tag goes back to where it was, and the history tells of each move [RG-2]', async () => {
    await publishAll('1.0.0', '1.1.0');
    const { registry } = world;
    await registry.tag('summarize', 'prod', '1.0.0');
    await registry.tag('summarize', 'prod', '1.1.0');
    expect(await registry.rollback('summarize', 'prod')).toMatchObject({ version: '1.0.0' });
    expect((await registry.resolve('summarize@prod')).version).toBe('1.0.0');
    expect(await codeOf(registry.rollback('summarize', 'prod'))).toBe('NOT_FOUND');
    await registry.untag('summarize', 'prod');
    expect(await codeOf(registry.resolve('summarize@prod'))).toBe('NOT_FOUND');
    const first = await registry.history('summarize', { limit: 2 });
    expect(first.items).toMatchObject([
      { seq: 1, action: 'published', version: '1.0.0' },
      { seq: 2, action: 'tagged', tag: 'latest', version: '1.0.0', from: null },
    ]);
    const rest = await registry.history('summarize', { after: 4, limit: 50 });
    expect(rest.next).toBeNull();
    const facts = rest.items.map(({ action, from, version }) => [action, from, version]);
    expect(facts).toEqual([
      ['tagged', null, '1.0.0'],
      ['tagged', '1.0.0', '1.1.0'],
      ['rolled-back', '1.1.0', '1.0.0'],
      ['untagged', '1.0.0', null],
    ]);
  });

  test('what is yanked is found by its number and not by a range; the deprecated warns [RG-3]', async () => {
    await publishAll('1.0.0', '1.1.0', '1.2.0');
    const { registry } = world;
    await registry.tag('summarize', 'prod', '1.2.0');
    await registry.yank('summarize', '1.2.0', 'loses data');
    const deprecated = await registry.deprecate('summarize', '1.1.0', 'use 2.x');
    const warning = 'summarize@1.1.0 is deprecated: use 2.x';
    expect(deprecated).toMatchObject({ deprecated: 'use 2.x', warnings: [warning] });
    await world.reopen();
    const again = world.registry;
    for (const ref of ['summarize@^1', 'summarize@>=1.1', 'summarize@latest', 'summarize']) {
      expect(await again.resolve(ref)).toMatchObject({ version: '1.1.0', warnings: [warning] });
    }
    const yanked = { version: '1.2.0', warnings: ['summarize@1.2.0 is yanked: loses data'] };
    expect(await again.resolve('summarize@1.2.0')).toMatchObject(yanked);
    expect(await again.resolve('summarize@prod')).toMatchObject(yanked);
    expect(await codeOf(again.resolve('summarize@>=1.2'))).toBe('NOT_FOUND');
    await again.yank('summarize', '1.2.0', null);
    await again.deprecate('summarize', '1.1.0', null);
    expect(await again.resolve('summarize@^1')).toMatchObject({ version: '1.2.0', warnings: [] });
    expect((await again.resolve('summarize@1.1.0')).warnings).toEqual([]);
  });

  test('a run is checked, and pinned to name, version and checksum [RG-4]', async () => {
    const { registry } = world;
    const v1 = await registry.publish('summarize', '1.0.0', { v: 1 }, { input: INPUT });
    const given = { tags: { team: 'search' }, idempotencyKey: 'k' };
    const run = await registry.createRun('summarize@^1', { url: 'u' }, given);
    expect(run).toMatchObject({ workflow: 'summarize', status: 'queued', input: { url: 'u' } });
    expect(run).toMatchObject({ definition: v1.ref, tags: { team: 'search' } });
    const refused = registry.createRun('summarize@1.0.0', { depth: 'x', more: 1 });
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      retryable: false,
      issues: [
        { path: '', message: "must have required property 'url'" },
        { path: '', message: 'must NOT have additional properties: "more"' },
        { path: '/depth', message: 'must be integer' },
      ],
    });
    await registry.publish('summarize', '1.1.0', { v: 2 }, { output: { type: 'string' } });
    await world.reopen();
    // The run of the key, still pinned to what it was made with.
    expect(await world.registry.createRun('summarize', { url: 'u' }, given)).toEqual(run);
    const later = await world.registry.createRun('summarize', 5);
    expect(await codeOf(world.registry.validateOutput(later.id, 5))).toBe('INVALID_OUTPUT');
    await world.registry.validateOutput(later, 'fine');
    await world.registry.validateOutput(run, { whatever: true });
    expect(await collect(world.store.runs.list({ workflow: 'summarize' }))).toHaveLength(2);
  });

  test('usage counts the runs that are pinned to each version [RG-4]', async () => {
    await publishAll('1.0.0', '1.1.0', '2.0.0', '2.1.0-rc.1');
    const { registry, store } = world;
    const old = await registry.createRun('summarize@1.0.0', null, { tags: { a: 'b' } });
    await registry.createRun('summarize@~1.1');
    const last = await registry.createRun('summarize@~1.1');
    // Neither its tags nor its status unpin a run, and others of that workflow are not counted.
    await store.runs.update(old.id, { status: 'running', tags: {} });
    await store.runs.update(old.id, { status: 'succeeded' });
    await store.runs.create({ workflow: 'summarize' });
    const pin = `#sha256:${'0'.repeat(64)}`;
    for (const definition of ['summarize@1.0.0', `other@1.0.0${pin}`, `summarize@!${pin}`]) {
      await store.runs.create({ workflow: 'summarize', definition });
    }
    await registry.yank('summarize', '1.1.0', 'wrong');
    await world.reopen();
    expect(await world.registry.usage('summarize')).toEqual({
      name: 'summarize',
      runs: 3,
      active: 2,
      lastRunAt: last.createdAt,
      versions: [
        { version: '2.1.0-rc.1', runs: 0, active: 0, lastRunAt: null },
        { version: '2.0.0', runs: 0, active: 0, lastRunAt: null },
        { version: '1.1.0', runs: 2, active: 2, lastRunAt: last.createdAt },
        { version: '1.0.0', runs: 1, active: 0, lastRunAt: old.createdAt },
      ],
    });
    expect(await world.registry.usage('summarize@^1')).toMatchObject({ runs: 3, active: 2 });
    const second = await world.registry.usage('summarize@2');
    expect(second.versions.map(({ version }) => version)).toEqual(['2.1.0-rc.1', '2.0.0']);
    expect(await world.registry.usage('summarize@latest')).toMatchObject({ runs: 0 });
    const ended = await world.registry.usage('summarize@1.0.0', { status: 'succeeded' });
    expect(ended).toMatchObject({ runs: 1, versions: [{ version: '1.0.0' }] });
  });

  test('lists definitions by kind, in pages, and none of them is work to be done [RG-2]', async () => {
    const { registry, store } = world;
    for (const name of ['a', '@team/b', 'c/d']) {
      await registry.publish(name, '1.0.0', { kind: 'tool' });
    }
    await registry.publish('w', '0.1.0', {});
    await store.runs.create({ workflow: REGISTRY_WORKFLOW });
    const first = await registry.list({ kind: 'tool', limit: 2 });
    expect(first.items.map(({ name }) => name)).toEqual(['c/d', '@team/b']);
    const rest = await registry.list({ kind: 'tool', cursor: first.next ?? undefined });
    expect(rest).toMatchObject({ items: [{ name: 'a', versionCount: 1 }], next: null });
    expect(await collect(registry.list({ kind: 'workflow' }))).toMatchObject([
      { name: 'w', kind: 'workflow', tags: { latest: '0.1.0' } },
    ]);
    expect((await collect(registry.list())).map(({ name }) => name)).toEqual([
      'w',
      'c/d',
      '@team/b',
      'a',
    ]);
    const busy = await store.runs.list({ status: ['queued', 'running'] });
    expect(busy.items).toHaveLength(1);
  });

  test('content that does not match its checksum is not served [RG-4]', async () => {
    const { registry, store } = world;
    const { ref } = await registry.publish('summarize', '1.0.0', { v: 1 });
    const run = await registry.createRun(ref);
    const { metadata } = await store.runs.get(RUN);
    const other = `sha256:${'0'.repeat(64)}`;
    const text = JSON.stringify(metadata).replace(/sha256:[0-9a-f]{64}/, other);
    await store.runs.update(RUN, { metadata: JSON.parse(text) as typeof metadata });
    await world.reopen();
    const refused = [
      world.registry.resolve('summarize'),
      world.registry.get('summarize', '1.0.0'),
      world.registry.createRun('summarize'),
      world.registry.validateOutput(run, null),
    ];
    for (const work of refused) expect(await codeOf(work)).toBe('DATA_CORRUPT');
    await world.store.runs.update(RUN, { metadata });
    expect((await world.registry.resolve(run.definition ?? '')).ref).toBe(ref);
    const wrong = ref.replace(/[0-9a-f]{64}$/, '0'.repeat(64));
    expect(await codeOf(world.registry.resolve(wrong))).toBe('DATA_CORRUPT');
    await world.store.artifacts.update(RUN, '1.0.0', { hold: null });
    await world.store.artifacts.delete(RUN, '1.0.0');
    await world.reopen();
    expect(await codeOf(world.registry.resolve('summarize'))).toBe('DATA_CORRUPT');
  });
});
