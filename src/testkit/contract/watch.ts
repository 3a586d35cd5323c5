import type { Commit } from '../../index.ts';
import { collect, refusal, RUNNING, type Suite, take, untyped } from './subject.ts';

export function watchTests({ describe, it, expect, subject }: Suite): void {
  /** Five commits on two runs; the cursor before them. */
  async function fiveCommits(): Promise<string> {
    const { store } = subject;
    const before = store.position();
    await store.runs.create({ id: 'a', workflow: 'w', input: new Uint8Array([1]) });
    await store.runs.create({ id: 'b', workflow: 'w' });
    await store.transaction(['a', 'b'], async (tx) => {
      await tx.runs.update('a', RUNNING);
      await tx.events.append('b', { type: 'e', payload: { n: 1 } });
    });
    await store.steps.create('a', { id: 's', name: 's' });
    await store.runs.delete('b');
    return before;
  }
  const types = (commits: readonly Commit[]): string[] =>
    commits.map(({ changes }) => changes.map(({ type, runId }) => `${type} ${runId}`).join(' + '));

  describe('watch', () => {
    it('gives whole commits in order from a cursor, with dates and values', async () => {
      const before = await fiveCommits();
      const store = await subject.throughReopen();
      const commits = await take(store.watch({ after: before }), 5);
      expect(types(commits)).toEqual([
        'run.created a',
        'run.created b',
        'run.updated a + event.appended b',
        'step.created a',
        'run.deleted b',
      ]);
      expect(commits[0]?.changes[0]).toMatchObject({
        type: 'run.created',
        run: { id: 'a', status: 'queued', input: new Uint8Array([1]) },
      });
      expect(commits[2]?.changes).toMatchObject([
        { version: 2, set: { status: 'running' } },
        { event: { runId: 'b', seq: 1, payload: { n: 1 } } },
      ]);
      const times = commits.map(({ at }) => at.getTime());
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(times[0] ?? 0).toBeGreaterThan(0);
      expect(commits.at(-1)?.position).toBe(store.position());
      expect(new Set(commits.map(({ position }) => position)).size).toBe(5);
    });

    it('goes on after the last commit that was seen', async () => {
      const before = await fiveCommits();
      const seen = await take(subject.store.watch({ after: before }), 2);
      const store = await subject.throughReopen();
      const after = seen[1]?.position ?? '';
      const rest = await take(store.watch({ after }), 3);
      expect(types(rest)[0]).toBe('run.updated a + event.appended b');
      await store.runs.create({ id: 'c', workflow: 'w' });
      const all = await take(store.watch({ after }), 4);
      expect(types(all).at(-1)).toBe('run.created c');
    });

    it('of one run gives the commits that touch it, whole', async () => {
      const before = await fiveCommits();
      const store = await subject.throughReopen();
      const commits = await take(store.watch({ after: before, runId: 'b' }), 3);
      expect(types(commits)).toEqual([
        'run.created b',
        'run.updated a + event.appended b',
        'run.deleted b',
      ]);
    });

    it('without a cursor begins now', async () => {
      await fiveCommits();
      const store = await subject.throughReopen();
      const watching = take(store.watch(), 2);
      await store.runs.create({ id: 'c', workflow: 'w' });
      await store.runs.update('c', RUNNING);
      expect(types(await watching)).toEqual(['run.created c', 'run.updated c']);
    });

    it('begins at the call, not when its first commit is asked for', async () => {
      const { store } = subject;
      const fromNow = store.watch();
      await store.runs.create({ id: 'between', workflow: 'w' });
      const taken = take(fromNow, 2);
      for (const id of ['later', 'last']) await store.runs.create({ id, workflow: 'w' });
      expect(types(await taken)).toEqual(['run.created between', 'run.created later']);
    });

    it('never throws at the call: what it refuses, it refuses where commits are asked for', async () => {
      const store = await subject.throughReopen();
      const refused = [
        store.watch(untyped(null)),
        store.watch(untyped('r')),
        store.watch(untyped({ from: store.position() })),
        store.watch({ runId: '' }),
        store.watch({ after: 'garbage' }),
      ];
      for (const watch of refused) {
        expect((await refusal(() => collect(watch))).code).toBe('INVALID_ARGUMENT');
      }
      await store.close();
      const late = store.watch();
      expect((await refusal(() => collect(late))).code).toBe('STORE_CLOSED');
    });

    it('of one run wakes for its commits among those of others', async () => {
      const { store } = subject;
      await store.runs.create({ id: 'quiet', workflow: 'w' });
      const watching = take(store.watch({ runId: 'quiet' }), 1);
      for (let i = 0; i < 20; i++) await store.runs.create({ workflow: 'noise' });
      await store.runs.update('quiet', RUNNING);
      expect(types(await watching)).toEqual(['run.updated quiet']);
    });

    it('gives several watchers every commit once, while writers go on', async () => {
      const { store } = subject;
      const after = store.position();
      const watchers = [1, 2, 3].map(() => take(store.watch({ after }), 60));
      await Promise.all(
        Array.from({ length: 60 }, (_, i) => store.runs.create({ id: `r${i}`, workflow: 'w' })),
      );
      const [first, ...others] = (await Promise.all(watchers)).map((commits) => types(commits));
      expect(new Set(first).size).toBe(60);
      for (const other of others) expect(other).toEqual(first);
    });

    it('ends without an error when its signal aborts, also at once', async () => {
      const before = await fiveCommits();
      const { store } = subject;
      const abort = new AbortController();
      const waiting = collect(store.watch({ signal: abort.signal }));
      const reading = (async () => {
        const seen: Commit[] = [];
        for await (const commit of store.watch({ after: before, signal: abort.signal })) {
          seen.push(commit);
          if (seen.length === 5) abort.abort();
        }
        return seen.length;
      })();
      expect(await reading).toBe(5);
      expect(await waiting).toEqual([]);
      expect(await collect(store.watch({ after: before, signal: AbortSignal.abort() }))).toEqual(
        [],
      );
    });

    it('refuses a cursor that is garbage, and one of another store', async () => {
      const { store } = subject;
      for (const after of ['', 'garbage', '1.1', untyped(7)]) {
        const error = await refusal(() => take(store.watch({ after }), 1));
        expect(error.code).toBe('INVALID_ARGUMENT');
      }
      const other = await subject.another();
      try {
        const foreign = other.position();
        const error = await refusal(() => take(store.watch({ after: foreign }), 1));
        expect(['INVALID_ARGUMENT', 'POSITION_EXPIRED']).toContain(error.code);
      } finally {
        await other.close();
      }
    });

    it('shows nothing of a call that was refused, or of a repetition', async () => {
      const { store } = subject;
      const run = { workflow: 'w', idempotencyKey: 'k' };
      const { id } = await store.runs.create(run);
      const after = store.position();
      await store.runs.create(run);
      await refusal(() => store.runs.update(id, { status: 'succeeded' }));
      await store.runs.update(id, {});
      expect(store.position()).toBe(after);
      await store.events.append(id, { type: 'e' });
      expect(types(await take(store.watch({ after }), 1))).toEqual([`event.appended ${id}`]);
    });
  });
}
