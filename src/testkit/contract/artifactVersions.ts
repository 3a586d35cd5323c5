import type { Artifact, NewArtifact } from '../../index.ts';
import { collect, refusal, type Suite, textOf } from './subject.ts';

/** What becomes of an artifact once it is there. */
export function artifactVersionTests({ describe, it, expect, subject }: Suite): void {
  const aRun = (id = 'r') => subject.store.runs.create({ id, workflow: 'w' });
  const put = (body: string, rest: Partial<NewArtifact> = {}) =>
    subject.store.artifacts.put('r', { name: 'a', body, ...rest });
  const versions = (artifacts: readonly Artifact[]) => artifacts.map(({ version }) => version);

  describe('versions of an artifact', () => {
    it('are found by the aliases that point at them, and `latest` is the newest [AR-1]', async () => {
      await aRun();
      await put('one', { aliases: ['prod', 'best'] });
      await put('two');
      const store = await subject.throughReopen();
      expect(await textOf(store.artifacts.open('r', 'a', { alias: 'prod' }))).toBe('one');
      expect(await textOf(store.artifacts.open('r', 'a', { alias: 'latest' }))).toBe('two');
      const wanted = { code: 'NOT_FOUND', id: 'a' };
      expect(await refusal(() => store.artifacts.get('r', 'a', { alias: 'no' }))).toMatchObject(
        wanted,
      );
    });

    it('lose an alias in the commit in which another takes it [AR-1]', async () => {
      await aRun();
      await put('one', { aliases: ['prod', 'best'] });
      await put('two', { aliases: ['prod'] });
      await subject.store.artifacts.update('r', 'a', { aliases: ['best', 'prod'] }, { version: 1 });
      const store = await subject.throughReopen();
      const all = await collect(store.artifacts.list('r', { allVersions: true }));
      expect(all.map(({ aliases }) => aliases)).toEqual([['best', 'prod'], []]);
      expect(all.map(({ revision }) => revision)).toEqual([3, 2]);
    });

    it('give any part of their bytes [AR-1]', async () => {
      await aRun();
      const text = Array.from({ length: 90_000 }, (_, n) => String(n % 10)).join('');
      await put(text);
      const store = await subject.throughReopen();
      const ranges = [
        { start: 3, end: 8 },
        { end: 2 },
        { start: 89_998 },
        { start: 65_530, end: 65_545 },
        { start: 5, end: 5 },
        { start: 89_999, end: 1e9 },
        { start: 1e9 },
        {},
      ];
      for (const range of ranges) {
        const part = await textOf(store.artifacts.open('r', 'a', { range }));
        expect(part).toBe(text.slice(range.start, range.end));
      }
    });

    it('take other fields by an update, if they are as it was told [AR-3]', async () => {
      await aRun();
      await put('one');
      await put('two', { tags: { team: 'a' }, metadata: { k: 1 } });
      const { artifacts } = subject.store;
      const patch = { tags: { team: 'b' }, metadata: { k: 2 }, mediaType: 'text/html' };
      const updated = await artifacts.update('r', 'a', patch, { ifVersion: 1 });
      expect(updated).toMatchObject({ version: 2, revision: 2, ...patch });
      expect(await artifacts.update('r', 'a', patch)).toEqual(updated);
      const stale = () => artifacts.update('r', 'a', { tags: {} }, { ifVersion: 1 });
      expect(await refusal(stale)).toMatchObject({ code: 'VERSION_CONFLICT', id: 'a' });
      const first = await artifacts.update('r', 'a', { metadata: {} }, { version: 1 });
      expect(first).toMatchObject({ version: 1, revision: 1 });
      const store = await subject.throughReopen();
      expect(await store.artifacts.get('r', 'a')).toEqual(updated);
    });

    it('are deleted one by one or together, and keep their numbers [AR-3]', async () => {
      await aRun();
      for (const body of ['one', 'two', 'three']) await put(body, { aliases: ['prod'] });
      await subject.store.artifacts.delete('r', 'a');
      const store = await subject.throughReopen();
      expect(await store.artifacts.get('r', 'a')).toMatchObject({ version: 2, aliases: [] });
      for (const which of [{ version: 3 }, { alias: 'prod' }]) {
        const gone = await refusal(() => store.artifacts.get('r', 'a', which));
        expect(gone).toMatchObject({ code: 'NOT_FOUND', id: 'a' });
      }
      expect(versions(await collect(store.artifacts.list('r', { allVersions: true })))).toEqual([
        1, 2,
      ]);
      const all = await collect(store.artifacts.list('r', { allVersions: true, deleted: true }));
      expect(all.map(({ deletedAt }) => deletedAt === null)).toEqual([true, true, false]);
      const next = await store.artifacts.put('r', { name: 'a', body: 'three' });
      expect(next).toMatchObject({ version: 4, revision: 1 });
      await store.artifacts.delete('r', 'a', { allVersions: true });
      expect(await collect(store.artifacts.list('r'))).toEqual([]);
      const again = await refusal(() => store.artifacts.delete('r', 'a'));
      expect(again).toMatchObject({ code: 'NOT_FOUND', id: 'a' });
    });

    it('that are held are not deleted, nor is their run, until they are let go [AR-3]', async () => {
      await aRun();
      await put('one');
      await put('two');
      await subject.store.artifacts.update('r', 'a', { hold: 'case 17' }, { version: 1 });
      const store = await subject.throughReopen();
      const attempts = [
        () => store.artifacts.delete('r', 'a', { version: 1 }),
        () => store.artifacts.delete('r', 'a', { allVersions: true }),
        () => store.runs.delete('r'),
      ];
      for (const attempt of attempts) {
        const error = await refusal(attempt);
        expect(error).toMatchObject({ code: 'ARTIFACT_HELD', id: 'a' });
        expect(error.message).toContain('case 17');
      }
      expect(versions(await collect(store.artifacts.list('r', { allVersions: true })))).toEqual([
        1, 2,
      ]);
      await store.artifacts.update('r', 'a', { hold: null }, { version: 1 });
      await store.artifacts.delete('r', 'a', { allVersions: true });
      await store.runs.delete('r');
    });

    it('know what they were made from, which must be there and does not change [AR-4]', async () => {
      await aRun();
      await aRun('other');
      const source = await subject.store.artifacts.put('other', { name: 'data', body: 'raw' });
      const parents = [{ runId: 'other', name: 'data', version: 1 }];
      const made = await put('one', { parents });
      expect(made.parents).toEqual(parents);
      expect(await put('one', { parents })).toEqual(made);
      const others = () => put('one', { parents: [] });
      expect(await refusal(others)).toMatchObject({ code: 'ALREADY_EXISTS', id: 'a' });
      const ghosts = [
        { runId: 'other', name: 'data', version: 2 },
        { runId: 'other', name: 'no', version: 1 },
        { runId: 'ghost', name: 'data', version: 1 },
      ];
      for (const ghost of ghosts) {
        const error = await refusal(() => put('two', { parents: [ghost] }));
        expect(error.code).toBe('NOT_FOUND');
      }
      await subject.store.artifacts.delete('other', source.name);
      const store = await subject.throughReopen();
      expect(await store.artifacts.get('r', 'a')).toEqual(made);
    });

    it('that have a time to live say when it ends [AR-3]', async () => {
      await aRun();
      const made = await put('one', { ttl: 60_000 });
      expect(Number(made.expiresAt) - Number(made.createdAt)).toBe(60_000);
      const store = await subject.throughReopen();
      expect(await store.artifacts.get('r', 'a')).toEqual(made);
      const kept = await store.artifacts.update('r', 'a', { ttl: null });
      expect(kept.expiresAt).toBeNull();
    });

    it('go along in a transaction', async () => {
      await aRun();
      await put('one', { aliases: ['prod'] });
      await subject.store.transaction('r', async (tx) => {
        await tx.artifacts.put('r', { name: 'a', body: 'two', aliases: ['prod'] });
        await tx.artifacts.update('r', 'a', { tags: { k: 'v' } });
        await tx.artifacts.delete('r', 'a', { version: 1 });
        expect(await tx.artifacts.get('r', 'a', { alias: 'prod' })).toMatchObject({ revision: 2 });
      });
      const store = await subject.throughReopen();
      const all = await collect(store.artifacts.list('r', { allVersions: true }));
      expect(all).toMatchObject([{ version: 2, aliases: ['prod'], tags: { k: 'v' } }]);
    });
  });
}
