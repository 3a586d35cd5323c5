import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Registry } from '../../src/index.ts';
import { SEED } from '../fixtures/proof.ts';
import { codeOf } from '../fixtures/refusals.ts';
import { RegistryWorld } from './registryWorld.ts';

/** From low to high, as Semantic Versioning 2.0.0 orders them in its section 11. */
const VERSIONS = [
  '0.9.0',
  '1.0.0-alpha',
  '1.0.0-alpha.2',
  '1.0.0-alpha.10',
  '1.0.0-beta',
  '1.0.0',
  '1.2.0',
  '1.10.0',
  '2.0.0-rc.1',
  '2.0.0',
] as const;

/** Which of them a range holds, written out. */
const RANGES: Readonly<Record<string, readonly string[]>> = {
  '*': ['0.9.0', '1.0.0', '1.2.0', '1.10.0', '2.0.0'],
  '^1': ['1.0.0', '1.2.0', '1.10.0'],
  '~1.2': ['1.2.0'],
  '>=1.2 <2': ['1.2.0', '1.10.0'],
  '<1': ['0.9.0'],
  '^1.0.0-alpha.3': ['1.0.0-alpha.10', '1.0.0-beta', '1.0.0', '1.2.0', '1.10.0'],
  '0.9 || >=2.0.0-rc.1': ['0.9.0', '2.0.0-rc.1', '2.0.0'],
};

const TAGS = ['latest', 'prod'] as const;

type Command = readonly [
  'publish' | 'tag' | 'untag' | 'rollback' | 'yank' | 'unyank',
  string,
  string,
];

/** The rules once more, as plainly as they can be said: each tag is a list of where it was. */
class Model {
  readonly published = new Set<string>();
  readonly yanked = new Set<string>();
  readonly tags = new Map<string, readonly string[]>();

  /** Whether the command is refused. */
  apply([verb, version, tag]: Command): boolean {
    switch (verb) {
      case 'publish':
        if (this.published.has(version)) return false;
        this.published.add(version);
        if (this.takesLatest(version)) this.point('latest', version);
        return false;
      case 'tag':
        if (!this.usable().includes(version)) return true;
        this.point(tag, version);
        return false;
      case 'untag':
        return !this.tags.delete(tag);
      case 'rollback': {
        const places = this.tags.get(tag) ?? [];
        const back = places.filter((one) => one !== places.at(-1) && !this.yanked.has(one));
        if (back.length > 0) this.tags.set(tag, back);
        return back.length === 0;
      }
      case 'yank':
        if (!this.published.has(version)) return true;
        this.yanked.add(version);
        if (this.tags.get('latest')?.at(-1) !== version) return false;
        this.fallBack();
        return false;
      case 'unyank':
        this.yanked.delete(version);
        return !this.published.has(version);
    }
  }

  fallBack(): void {
    const best = this.usable().findLast(isStable) ?? this.usable().at(-1);
    if (best === undefined) this.tags.delete('latest');
    else this.point('latest', best);
  }

  takesLatest(version: string): boolean {
    const latest = this.tags.get('latest')?.at(-1);
    if (latest === undefined) return true;
    if (isStable(version) !== isStable(latest)) return isStable(version);
    return rank(version) > rank(latest);
  }

  point(tag: string, version: string): void {
    const places = this.tags.get(tag) ?? [];
    if (places.at(-1) !== version) this.tags.set(tag, [...places, version]);
  }

  usable(): readonly string[] {
    return VERSIONS.filter((one) => this.published.has(one) && !this.yanked.has(one));
  }
}

const isStable = (version: string): boolean => !version.includes('-');
const rank = (version: string): number => VERSIONS.findIndex((one) => one === version);

function perform(registry: Registry, [verb, version, tag]: Command): Promise<unknown> {
  switch (verb) {
    case 'publish':
      return registry.publish('a', version, {});
    case 'tag':
      return registry.tag('a', tag, version);
    case 'untag':
      return registry.untag('a', tag);
    case 'rollback':
      return registry.rollback('a', tag);
    case 'yank':
      return registry.yank('a', version, 'why');
    case 'unyank':
      return registry.yank('a', version, null);
  }
}

async function answer(registry: Registry, ref: string): Promise<string | undefined> {
  if ((await codeOf(registry.resolve(ref))) === 'NOT_FOUND') return undefined;
  return (await registry.resolve(ref)).version;
}

/** Few versions, so that the same ones are met again and again. */
const commands = fc
  .shuffledSubarray([...VERSIONS], { minLength: 2, maxLength: 4 })
  .chain((versions) =>
    fc.array(
      fc.tuple(
        fc.constantFrom('publish', 'publish', 'tag', 'tag', 'untag', 'rollback', 'yank', 'unyank'),
        fc.constantFrom(...versions),
        fc.constantFrom(...TAGS),
      ),
      { minLength: 10, maxLength: 40 },
    ),
  );

test('ranges and tags find what plain rules find, whatever was done before [RG-2] [RG-3]', async () => {
  const property = fc.asyncProperty(commands, async (given) => {
    const fresh = await RegistryWorld.create('memory');
    const model = new Model();
    for (const one of given) {
      const refused = (await codeOf(perform(fresh.registry, one))) !== undefined;
      expect([one, refused]).toEqual([one, model.apply(one)]);
    }
    for (const tag of TAGS) {
      expect([tag, await answer(fresh.registry, `a@${tag}`)]).toEqual([
        tag,
        model.tags.get(tag)?.at(-1),
      ]);
    }
    for (const [range, held] of Object.entries(RANGES)) {
      const found = model.usable().findLast((one) => held.includes(one));
      expect([range, await answer(fresh.registry, `a@${range}`)]).toEqual([range, found]);
    }
    await fresh.remove();
  });
  await fc.assert(property, { seed: SEED, numRuns: 150 });
});
