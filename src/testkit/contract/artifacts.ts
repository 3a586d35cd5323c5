import { createHash } from 'node:crypto';
import type { ArtifactBody } from '../../index.ts';
import { bytesOf, collect, refusal, type Suite, textOf, untyped } from './subject.ts';

async function* chunks(count: number, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let i = 0; i < count; i++) yield new Uint8Array(size).fill(i % 251);
}

const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

export function artifactTests({ describe, it, expect, subject }: Suite): void {
  const aRun = () => subject.store.runs.create({ id: 'r', workflow: 'w' });
  const put = (name: string, body: ArtifactBody) =>
    subject.store.artifacts.put('r', { name, body });

  describe('artifacts', () => {
    it('give back their bytes, whichever way they were handed in', async () => {
      await aRun();
      const big = await bytesOf(chunks(40, 25_000));
      const bodies: Readonly<Record<string, readonly [ArtifactBody, Uint8Array]>> = {
        bytes: [new Uint8Array([0, 255, 10]), new Uint8Array([0, 255, 10])],
        string: ['größe 🧵', new Uint8Array(Buffer.from('größe 🧵'))],
        iterable: [chunks(40, 25_000), big],
        stream: [ReadableStream.from(chunks(40, 25_000)), big],
        'empty bytes': [new Uint8Array(), new Uint8Array()],
        'empty string': ['', new Uint8Array()],
        'empty stream': [chunks(0, 0), new Uint8Array()],
      };
      for (const [name, [body]] of Object.entries(bodies)) await put(name, body);
      const store = await subject.throughReopen();
      for (const [name, [, bytes]] of Object.entries(bodies)) {
        expect(Buffer.compare(await bytesOf(store.artifacts.open('r', name)), bytes)).toBe(0);
        const artifact = await store.artifacts.get('r', name);
        expect(artifact).toMatchObject({ runId: 'r', name, version: 1, revision: 1 });
        expect(artifact).toMatchObject({ size: bytes.length, digest: sha256(bytes) });
      }
    });

    it('keep media type, step and metadata, and have defaults', async () => {
      await aRun();
      const full = await subject.store.artifacts.put('r', {
        name: 'page.html',
        stepId: 's',
        mediaType: 'text/html',
        metadata: { pages: [1, 2] },
        body: '<p>',
      });
      expect(full).toMatchObject({
        stepId: 's',
        mediaType: 'text/html',
        metadata: { pages: [1, 2] },
      });
      await put('text', 'plain');
      await put('bytes', new Uint8Array(1));
      const store = await subject.throughReopen();
      expect(await store.artifacts.get('r', 'page.html')).toEqual(full);
      expect((await store.artifacts.get('r', 'text')).mediaType).toBe('text/plain');
      expect((await store.artifacts.get('r', 'bytes')).mediaType).toBe('application/octet-stream');
    });

    it('have a version for every other content, and none for the same again', async () => {
      await aRun();
      const first = await put('a', 'one');
      expect(await put('a', 'one')).toEqual(first);
      await put('a', 'two');
      expect(await put('a', 'one')).toMatchObject({ version: 3, digest: first.digest });
      const store = await subject.throughReopen();
      const texts = await Promise.all(
        [1, 2, 3].map((version) => textOf(store.artifacts.open('r', 'a', { version }))),
      );
      expect(texts).toEqual(['one', 'two', 'one']);
      expect(await textOf(store.artifacts.open('r', 'a'))).toBe('one');
      expect(await store.artifacts.get('r', 'a', { version: 1 })).toEqual(first);
      expect((await store.artifacts.get('r', 'a', {})).version).toBe(3);
    });

    it('take other fields without a new version when the same bytes come again [AR-1]', async () => {
      await aRun();
      const first = await put('a', 'one');
      const again = await subject.store.artifacts.put('r', {
        name: 'a',
        mediaType: 'text/html',
        metadata: { k: 1 },
        stepId: 'other',
        body: 'one',
      });
      expect(again).toMatchObject({ id: first.id, version: 1, revision: 2, stepId: null });
      expect(again).toMatchObject({ mediaType: 'text/html', metadata: { k: 1 } });
      expect(await put('a', 'one')).toEqual(again);
      const store = await subject.throughReopen();
      expect(await store.artifacts.get('r', 'a')).toEqual(again);
    });

    it('are listed by name, the newest of each or all, page by page', async () => {
      await aRun();
      for (const name of ['c', 'a', 'b']) await put(name, `${name}1`);
      await put('a', 'a2');
      const store = await subject.throughReopen();
      const newest = await collect(store.artifacts.list('r', { limit: 2 }));
      expect(newest.map(({ name, version }) => `${name}${version}`)).toEqual(['a2', 'b1', 'c1']);
      const all = await collect(store.artifacts.list('r', { limit: 1, allVersions: true }));
      expect(all.map(({ name, version }) => `${name}${version}`)).toEqual(['a1', 'a2', 'b1', 'c1']);
    });

    it('with a source that breaks are not there, and the name stays free', async () => {
      await aRun();
      const broken = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
        yield new Uint8Array(70_000);
        throw new RangeError('the source broke');
      };
      const failure: unknown = await put('a', broken()).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect([failure, (failure as Error).cause].some((e) => e instanceof RangeError)).toBe(true);
      const store = await subject.throughReopen();
      expect((await refusal(() => store.artifacts.get('r', 'a'))).code).toBe('NOT_FOUND');
      expect(await collect(store.artifacts.list('r'))).toEqual([]);
      expect(await put('a', 'whole')).toMatchObject({ version: 1 });
    });

    it('that are not there, or of a run that is not there, are refused', async () => {
      await aRun();
      await put('a', 'x');
      const { artifacts } = await subject.throughReopen();
      const missing = [
        () => artifacts.get('r', 'b'),
        () => artifacts.get('r', 'a', { version: 2 }),
        () => bytesOf(artifacts.open('r', 'b')),
        () => bytesOf(artifacts.open('r', 'a', { version: 2 })),
        () => artifacts.get('ghost', 'a'),
        () => artifacts.list('ghost'),
        () => bytesOf(artifacts.open('ghost', 'a')),
        () => artifacts.put('ghost', { name: 'a', body: 'x' }),
      ];
      for (const call of missing) expect((await refusal(call)).code).toBe('NOT_FOUND');
    });

    it('with a body that is not bytes or text are refused', async () => {
      await aRun();
      for (const body of [undefined, null, 7, { a: 1 }, [1]]) {
        const error = await refusal(() => put('a', untyped(body)));
        expect(error.code).toBe('INVALID_ARGUMENT');
        expect(error.message).toContain('artifact.body');
      }
      expect(await collect(subject.store.artifacts.list('r'))).toEqual([]);
    });

    it('share their bytes: the same content in two runs is read from both after one is deleted', async () => {
      await aRun();
      await subject.store.runs.create({ id: 'twin', workflow: 'w' });
      const big = await bytesOf(chunks(4, 50_000));
      await put('a', big);
      await subject.store.artifacts.put('twin', { name: 'b', body: big });
      await subject.store.runs.delete('r');
      const store = await subject.throughReopen();
      expect(Buffer.compare(await bytesOf(store.artifacts.open('twin', 'b')), big)).toBe(0);
    });
  });
}
