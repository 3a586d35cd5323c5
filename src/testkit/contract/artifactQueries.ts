import type { Artifact, ArtifactFilter, ArtifactVersion, NewArtifact } from '../../index.ts';
import { collect, refusal, type Suite, untyped } from './subject.ts';

/** What is asked of the artifacts of all runs. */
export function artifactQueryTests({ describe, it, expect, subject }: Suite): void {
  const labels = (artifacts: readonly Artifact[]) =>
    artifacts.map(({ runId, name, version }) => `${runId}/${name}@${version}`);
  /** In the order of their names here: those of one millisecond have none. */
  const ask = async (filter: ArtifactFilter) => {
    const found = await collect(subject.store.artifacts.query(filter));
    const times = found.map(({ createdAt }) => createdAt.getTime());
    expect(times).toEqual(times.toSorted((a, b) => b - a));
    return ALL.filter((label) => labels(found).includes(label)).concat(
      labels(found).filter((label) => !ALL.includes(label)),
    );
  };

  async function someArtifacts(): Promise<void> {
    const { runs, artifacts } = subject.store;
    await runs.create({ id: 'a', workflow: 'train', tags: { team: 'x' } });
    await runs.create({ id: 'b', workflow: 'eval', project: 'p' });
    await runs.update('b', { status: 'running' });
    const model = { name: 'models/best.bin', mediaType: 'application/x-model' };
    const facts = { loss: 0.25, epochs: 3, tuned: true, notes: null, by: { team: 'core' } };
    await artifacts.put('a', { ...model, body: 'one', metadata: { ...facts, seen: ['x', 'y'] } });
    await artifacts.put('a', {
      ...model,
      body: 'two',
      metadata: { loss: 0.125 },
      aliases: ['prod'],
    });
    const image = { name: 'plot[1].png', mediaType: 'image/png', tags: { kind: 'plot' } };
    await artifacts.put('a', { ...image, body: 'image' });
    await artifacts.put('b', {
      name: 'report_50%.txt',
      body: 'a longer text',
      tags: { kind: 'text' },
    });
    await artifacts.put('b', {
      name: 'models/other.bin',
      body: 'two',
      metadata: { loss: '0.125' },
    });
  }
  const ONE = 'a/models/best.bin@1';
  const TWO = 'a/models/best.bin@2';
  const PLOT = 'a/plot[1].png@1';
  const REPORT = 'b/report_50%.txt@1';
  const OTHER = 'b/models/other.bin@1';
  const ALL = [OTHER, REPORT, PLOT, TWO, ONE];

  describe('a query of artifacts', () => {
    it('finds those of all runs, newest first, page by page [AR-2]', async () => {
      await someArtifacts();
      await subject.throughReopen();
      expect(await ask({ limit: 2 })).toEqual([OTHER, REPORT, PLOT, TWO, ONE]);
      expect(await ask({ limit: 1, name: 'models/*' })).toEqual([OTHER, TWO, ONE]);
      const { items, next } = await subject.store.artifacts.query({ limit: 5 });
      expect([items.length, next]).toEqual([5, null]);
    });

    it('takes conditions on their own fields [AR-2]', async () => {
      await someArtifacts();
      await subject.throughReopen();
      const { digest, createdAt } = await subject.store.artifacts.get('a', 'models/best.bin');
      const answers: readonly (readonly [ArtifactFilter, readonly string[]])[] = [
        [{ name: 'models/best.bin' }, [TWO, ONE]],
        [{ name: '*.bin' }, [OTHER, TWO, ONE]],
        [{ name: 'MODELS/*' }, []],
        [{ name: 'plot[1].*' }, [PLOT]],
        [{ name: 'plot[1]?png' }, [PLOT]],
        [{ name: 'report_50%*' }, [REPORT]],
        [{ name: 'report?50%.txt' }, [REPORT]],
        [{ name: 'report%' }, []],
        [{ mediaType: 'image/*' }, [PLOT]],
        [{ mediaType: 'text/plain' }, [OTHER, REPORT]],
        [{ digest }, [OTHER, TWO]],
        [{ alias: 'prod' }, [TWO]],
        [{ size: { min: 5 } }, [REPORT, PLOT]],
        [{ size: { min: 5, max: 5 } }, [PLOT]],
        [{ createdAfter: createdAt, name: 'models/other.bin' }, [OTHER]],
        [{ createdBefore: new Date(0) }, []],
        [{ runId: 'b' }, [OTHER, REPORT]],
        [{ runId: ['a', 'b'], newestOnly: true }, [OTHER, REPORT, PLOT, TWO]],
        [{ tags: { kind: 'plot' } }, [PLOT]],
        [{ tags: { kind: 'plot', other: 'x' } }, []],
      ];
      for (const [filter, expected] of answers)
        expect([filter, await ask(filter)]).toEqual([filter, expected]);
    });

    it('takes conditions on their metadata, by path [AR-7]', async () => {
      await someArtifacts();
      await subject.throughReopen();
      const answers: readonly (readonly [ArtifactFilter['metadata'], readonly string[]])[] = [
        [{ loss: 0.25 }, [ONE]],
        [{ loss: { lt: 0.2 } }, [TWO]],
        [{ loss: { gte: 0.125, lte: 0.25 } }, [TWO, ONE]],
        [{ loss: { gt: 0.125 } }, [ONE]],
        [{ loss: '0.125' }, [OTHER]],
        [{ loss: { gte: '0' } }, [OTHER]],
        [{ loss: { in: [0.25, '0.125'] } }, [OTHER, ONE]],
        [{ loss: { exists: true } }, [OTHER, TWO, ONE]],
        [{ loss: { exists: false } }, [REPORT, PLOT]],
        [{ 'by.team': 'core' }, [ONE]],
        [{ by: { exists: true } }, []],
        [{ seen: 'y' }, [ONE]],
        [{ tuned: true }, [ONE]],
        [{ tuned: 'true' }, []],
        [{ notes: null }, [ONE]],
        [{ loss: { lt: 1 }, epochs: 3 }, [ONE]],
        [{ epochs: { eq: 4 } }, []],
      ];
      for (const [metadata, expected] of answers) {
        expect([metadata, await ask({ metadata })]).toEqual([metadata, expected]);
      }
    });

    it('takes conditions on their runs [AR-2]', async () => {
      await someArtifacts();
      await subject.throughReopen();
      expect(await ask({ run: { workflow: 'eval' } })).toEqual([OTHER, REPORT]);
      expect(await ask({ run: { project: 'p', status: ['running', 'failed'] } })).toEqual([
        OTHER,
        REPORT,
      ]);
      expect(await ask({ run: { tags: { team: 'x' } }, name: 'plot*' })).toEqual([PLOT]);
      expect(await ask({ run: { status: 'succeeded' } })).toEqual([]);
    });

    it('follows what becomes of them [AR-7]', async () => {
      await someArtifacts();
      const { artifacts } = subject.store;
      await artifacts.update('a', 'models/best.bin', { metadata: { loss: 9 }, aliases: [] });
      await artifacts.delete('a', 'models/best.bin', { version: 1 });
      expect(await ask({ metadata: { loss: { exists: true } } })).toEqual([OTHER, TWO]);
      expect(await ask({ alias: 'prod' })).toEqual([]);
      await artifacts.delete('a', 'models/best.bin');
      expect(await ask({ name: '*.bin' })).toEqual([OTHER]);
      await subject.throughReopen();
      expect(await ask({})).toEqual([OTHER, REPORT, PLOT]);
      await subject.store.runs.delete('b');
      expect(await ask({})).toEqual([PLOT]);
      await subject.store.runs.create({ id: 'b', workflow: 'again' });
      await subject.store.artifacts.put('b', { name: 'n', body: '' });
      await subject.throughReopen();
      expect(await ask({})).toEqual([PLOT, 'b/n@1']);
    });

    it('is not part of its statement, whatever it asks for [AR-2]', async () => {
      await someArtifacts();
      const odd = `'; DROP TABLE artifacts; --"\\`;
      const long = 'ä'.repeat(1_000);
      const metadata = { [odd]: odd, long, 'nul\u0000': 'nul\u0000', half: '\ud800' };
      await subject.store.artifacts.put('a', {
        name: odd,
        body: 'odd',
        metadata,
        tags: { [odd]: odd },
      });
      await subject.throughReopen();
      const mine = [`a/${odd}@1`];
      expect(await ask({ name: odd.replaceAll('*', '?') })).toEqual(mine);
      expect(await ask({ metadata: { [odd]: odd } })).toEqual(mine);
      expect(await ask({ tags: { [odd]: odd } })).toEqual(mine);
      expect(await ask({ metadata: { long } })).toEqual(mine);
      expect(await ask({ metadata: { long: `${long}x` } })).toEqual([]);
      expect(await ask({ metadata: { 'nul\u0000': 'nul\u0000', half: '\ud800' } })).toEqual(mine);
      expect(await ask({ metadata: { half: '\ufffd' } })).toEqual([]);
    });

    it('of an unknown shape is refused, with its path', async () => {
      const wrong: readonly (readonly [string, unknown])[] = [
        ['filter.nmae', { nmae: 'x' }],
        ['filter.name', { name: 7 }],
        ['filter.digest', { digest: 'sha256:1' }],
        ['filter.size.min', { size: { min: -1 } }],
        ['filter.metadata.a.like', { metadata: { a: { like: 'x' } } }],
        ['filter.metadata.a', { metadata: { a: {} } }],
        ['filter.metadata.a.exists', { metadata: { a: { exists: 'yes' } } }],
        ['filter.metadata.a.gt', { metadata: { a: { gt: true } } }],
        ['filter.metadata.a', { metadata: { a: { gt: 1, lt: 'b' } } }],
        ['filter.metadata.a.in', { metadata: { a: { in: [] } } }],
        ['filter.runId', { runId: [] }],
        ['filter.run.status', { run: { status: 'lost' } }],
        ['filter.run.id', { run: { id: 'r' } }],
        ['filter.limit', { limit: 0 }],
        ['cursor', { cursor: 'x' }],
      ];
      for (const [path, filter] of wrong) {
        const error = await refusal(() => subject.store.artifacts.query(untyped(filter)));
        expect(`${error.code}: ${error.message}`).toContain('INVALID_ARGUMENT');
        expect(error.message).toContain(path);
      }
    });
  });

  describe('artifacts with a time to live', () => {
    it('whose time has ended are deleted when they are to expire, held ones aside [AR-3]', async () => {
      const { artifacts, runs } = subject.store;
      for (const id of ['r', 'other']) await runs.create({ id, workflow: 'w' });
      const put = (body: string, rest: Partial<NewArtifact>) =>
        artifacts.put('r', { name: 'a', body, ...rest });
      await put('one', { ttl: 1, aliases: ['prod'] });
      await put('two', { ttl: 60_000 });
      await put('three', { ttl: 1 });
      await artifacts.put('other', { name: 'b', body: '', ttl: 1 });
      await artifacts.update('r', 'a', { hold: 'why' });
      // Of the store's own clock: a later write has a later time.
      for (let n = 0; n < 100; n++) await artifacts.update('r', 'a', { tags: { n: `${n}` } });
      const due = [
        { runId: 'other', name: 'b', version: 1 },
        { runId: 'r', name: 'a', version: 1 },
      ];
      const byRun = (found: readonly ArtifactVersion[]) =>
        found.toSorted((a, b) => (a.runId < b.runId ? -1 : 1));
      expect(byRun(await artifacts.expire({ dryRun: true }))).toEqual(due);
      expect(byRun(await artifacts.expire())).toEqual(due);
      expect(await artifacts.expire()).toEqual([]);
      const store = await subject.throughReopen();
      const all = await collect(store.artifacts.list('r', { allVersions: true, deleted: true }));
      expect(all.map(({ deletedAt }) => deletedAt === null)).toEqual([false, true, true]);
      await store.artifacts.update('r', 'a', { hold: null });
      expect(await store.artifacts.expire()).toEqual([{ runId: 'r', name: 'a', version: 3 }]);
      const aborted = () => store.artifacts.expire({ signal: AbortSignal.abort() });
      expect(await store.artifacts.expire({ signal: AbortSignal.abort() })).toEqual([]);
      await store.artifacts.put('other', { name: 'b', body: '', ttl: 1 });
      for (let n = 0; n < 100; n++) await store.artifacts.update('r', 'a', { tags: { m: `${n}` } });
      expect((await refusal(aborted)).code).toBe('ABORTED');
    });
  });

  describe('the lineage of an artifact', () => {
    /** raw → clean → model@1, model@2; other → model@2. Raw is in a run of its own. */
    async function family(): Promise<void> {
      const { runs, artifacts } = subject.store;
      for (const id of ['in', 'work']) await runs.create({ id, workflow: 'w' });
      const of = (runId: string, name: string): ArtifactVersion => ({ runId, name, version: 1 });
      await artifacts.put('in', { name: 'raw', body: 'r' });
      await artifacts.put('in', { name: 'other', body: 'o' });
      await artifacts.put('work', { name: 'clean', body: 'c', parents: [of('in', 'raw')] });
      const clean = of('work', 'clean');
      await artifacts.put('work', { name: 'model', body: '1', parents: [clean] });
      const parents = [clean, of('in', 'other')];
      await artifacts.put('work', { name: 'model', body: '2', parents });
    }
    const shown = ({ runId, name, version }: ArtifactVersion) => `${runId}/${name}@${version}`;
    const lineage = async (runId: string, name: string, options = {}) => {
      const { root, nodes, edges } = await subject.store.artifacts.lineage(runId, name, options);
      expect(shown(root)).toBe(shown(nodes[0] ?? root));
      const lines = edges.map(({ from, to }) => `${shown(from)} > ${shown(to)}`);
      return { nodes: nodes.map(shown), edges: lines };
    };

    it('goes up to what it was made from, and down to what was made from it [AR-4]', async () => {
      await family();
      await subject.throughReopen();
      expect(await lineage('work', 'model', { direction: 'ancestors' })).toEqual({
        nodes: ['work/model@2', 'work/clean@1', 'in/other@1', 'in/raw@1'],
        edges: [
          'work/clean@1 > work/model@2',
          'in/other@1 > work/model@2',
          'in/raw@1 > work/clean@1',
        ],
      });
      expect(await lineage('in', 'raw', { direction: 'descendants' })).toEqual({
        nodes: ['in/raw@1', 'work/clean@1', 'work/model@1', 'work/model@2'],
        edges: [
          'in/raw@1 > work/clean@1',
          'work/clean@1 > work/model@1',
          'work/clean@1 > work/model@2',
        ],
      });
      const both = await lineage('work', 'clean');
      expect(both.nodes).toEqual(['work/clean@1', 'in/raw@1', 'work/model@1', 'work/model@2']);
      expect((await lineage('work', 'clean', { depth: 0 })).nodes).toEqual(['work/clean@1']);
      const near = await lineage('work', 'model', { version: 1, depth: 1 });
      expect(near.nodes).toEqual(['work/model@1', 'work/clean@1']);
    });

    it('goes on through what was deleted, and says what is gone [AR-4]', async () => {
      await family();
      await subject.store.artifacts.delete('work', 'clean');
      await subject.store.runs.delete('in');
      const store = await subject.throughReopen();
      const { nodes } = await store.artifacts.lineage('work', 'model', { direction: 'ancestors' });
      const [, clean, other, raw] = nodes;
      expect(clean?.artifact?.deletedAt instanceof Date).toBe(true);
      expect([other?.artifact, raw?.artifact]).toEqual([null, null]);
    });

    it('of what is not there, or in an unknown direction, is refused', async () => {
      await family();
      const { artifacts } = subject.store;
      expect((await refusal(() => artifacts.lineage('work', 'no'))).code).toBe('NOT_FOUND');
      for (const options of [{ direction: 'up' }, { depth: -1 }, { deep: 1 }]) {
        const error = await refusal(() => artifacts.lineage('work', 'model', untyped(options)));
        expect(error.code).toBe('INVALID_ARGUMENT');
      }
    });
  });
}
