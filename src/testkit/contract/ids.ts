import { collect, refusal, type Suite, textOf } from './subject.ts';

/** Ids that mean something to some file system, shell, URL or object, and must mean nothing here. */
const ODD: readonly string[] = [
  '.',
  '..',
  '../..',
  '../../../etc/passwd',
  '/',
  '/etc/passwd',
  '\\\\server\\share',
  'C:\\x',
  'a/b',
  'a\\b',
  '%2e%2e',
  '%2e%2e%2fetc',
  '%00',
  'CON',
  'con',
  'NUL',
  'aux.txt',
  'COM1',
  'trailing.',
  'trailing ',
  ' leading',
  ' ',
  '-rf',
  '~',
  '~abc',
  '$HOME',
  '*',
  '?',
  '<>:"|',
  "'; DROP TABLE runs; --",
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'Run1',
  'run1',
  'RUN1',
  '\u00e9',
  'e\u0301',
  '\u200b',
  '\u202e',
  '\uff0e\uff0e',
  '🧵',
  'null',
  '0',
  'x'.repeat(200),
  'X'.repeat(200),
  '/'.repeat(200),
  '\u00e9'.repeat(100),
];

export function idTests({ describe, it, expect, subject }: Suite): void {
  describe('ids and names', () => {
    it('can be any text, never become a path, and stay apart from their twins', async () => {
      await Promise.all(
        ODD.map(async (id) => {
          const { store } = subject;
          await store.runs.create({ id, workflow: id, tags: { [id]: id } });
          await store.steps.create(id, { id, name: id, kind: id, idempotencyKey: id });
          await store.events.append(id, { type: id, stepId: id, idempotencyKey: id, payload: id });
          await store.artifacts.put(id, { name: id, body: `bytes of ${id}` });
        }),
      );
      const store = await subject.throughReopen();
      const listed = await collect(store.runs.list({ limit: 7 }));
      expect(listed.map(({ id }) => id).toSorted(compare)).toEqual(ODD.toSorted(compare));
      for (const id of ODD) {
        expect(await store.runs.get(id)).toMatchObject({ id, workflow: id });
        expect(Object.entries((await store.runs.get(id)).tags)).toEqual([[id, id]]);
        expect(await store.steps.get(id, id)).toMatchObject({ id, runId: id, name: id });
        expect(await collect(store.events.list(id))).toMatchObject([{ seq: 1, type: id }]);
        expect(await textOf(store.artifacts.open(id, id))).toBe(`bytes of ${id}`);
        expect((await store.runs.list({ workflow: id })).items.map((run) => run.id)).toEqual([id]);
        expect((await store.runs.list({ tags: { [id]: id } })).items).toHaveLength(1);
      }
    });

    it('a deletion takes one of two twins and leaves the other', async () => {
      const twins = [
        ['Run1', 'run1'],
        ['\u00e9', 'e\u0301'],
        ['a', 'a.'],
        ['x'.repeat(200), `${'x'.repeat(199)}X`],
      ] as const;
      for (const [gone, stays] of twins) {
        for (const id of [gone, stays]) {
          await subject.store.runs.create({ id, workflow: 'w', input: id });
          await subject.store.events.append(id, { type: 'e', payload: id });
        }
        await subject.store.runs.delete(gone);
      }
      const store = await subject.throughReopen();
      for (const [gone, stays] of twins) {
        expect((await refusal(() => store.runs.get(gone))).code).toBe('NOT_FOUND');
        expect((await store.runs.get(stays)).input).toBe(stays);
        expect(await collect(store.events.list(stays))).toMatchObject([{ payload: stays }]);
      }
    });

    it('with NUL or another control character are refused wherever they stand', async () => {
      const { store } = subject;
      const { id } = await store.runs.create({ workflow: 'w' });
      for (const bad of ['a\u0000', '\u0000', 'a\nb', '\u001b[31m', '\u007f']) {
        const calls = [
          () => store.runs.create({ id: bad, workflow: 'w' }),
          () => store.runs.get(bad),
          () => store.steps.create(id, { id: bad, name: 's' }),
          () => store.steps.create(id, { name: bad }),
          () => store.events.append(id, { type: bad }),
          () => store.artifacts.put(id, { name: bad, body: '' }),
          () => store.runs.create({ workflow: 'w', idempotencyKey: bad }),
        ];
        for (const call of calls) expect((await refusal(call)).code).toBe('INVALID_ARGUMENT');
      }
    });
  });
}

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
