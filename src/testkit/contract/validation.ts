import { refusal, type Suite, take, untyped } from './subject.ts';

export function validationTests({ describe, it, expect, subject }: Suite): void {
  /** Each call with the path that its message has to begin with or contain. */
  async function refuses(calls: readonly (readonly [string, () => unknown])[]): Promise<void> {
    const before = subject.store.position();
    for (const [path, call] of calls) {
      const error = await refusal(call);
      expect(`${error.code}: ${error.message}`).toContain('INVALID_ARGUMENT');
      expect(error.message).toContain(path);
    }
    expect(subject.store.position()).toBe(before);
  }

  describe('arguments', () => {
    it('of runs are refused with their path, and nothing is stored', async () => {
      const { runs } = subject.store;
      await runs.create({ id: 'r', workflow: 'w' });
      await refuses([
        ['run', () => runs.create(untyped(undefined))],
        ['run', () => runs.create(untyped('w'))],
        ['run.workflow', () => runs.create(untyped({}))],
        ['run.workflow', () => runs.create({ workflow: '' })],
        ['run.workflow', () => runs.create({ workflow: 'a\u0000' })],
        ['run.id', () => runs.create({ id: '', workflow: 'w' })],
        ['run.id', () => runs.create({ id: 'a\u0000b', workflow: 'w' })],
        ['run.id', () => runs.create({ id: '\ud800', workflow: 'w' })],
        ['run.idempotencyKey', () => runs.create({ workflow: 'w', idempotencyKey: '' })],
        ['run.idempotencyKey', () => runs.create({ id: 'a', workflow: 'w', idempotencyKey: 'k' })],
        ['run.tags.n', () => runs.create({ workflow: 'w', tags: untyped({ n: 1 }) })],
        ['run.priority', () => runs.create({ workflow: 'w', priority: 0.5 })],
        ['run.availableAt', () => runs.create({ workflow: 'w', availableAt: new Date('x') })],
        ['run.colour', () => runs.create(untyped({ workflow: 'w', colour: 'red' }))],
        ['patch', () => runs.update('r', untyped(undefined))],
        ['patch.output', () => runs.update('r', untyped({ status: 'running', output: 1 }))],
        ['patch.error', () => runs.update('r', untyped({ status: 'failed' }))],
        ['patch.status', () => runs.update('r', untyped({ status: 'done' }))],
        ['patch.id', () => runs.update('r', untyped({ id: 'other' }))],
        ['options.ifVersion', () => runs.update('r', {}, { ifVersion: 0 })],
        ['options.ifVersion', () => runs.delete('r', untyped({ ifVersion: '1' }))],
        ['runId', () => runs.get(untyped(undefined))],
        ['runId', () => runs.get('')],
        ['runId', () => runs.update(untyped(7), {})],
        ['runId', () => runs.delete('\n')],
      ]);
    });

    it('of steps, events and artifacts are refused with their path', async () => {
      const { runs, steps, events, artifacts } = subject.store;
      await runs.create({ id: 'r', workflow: 'w' });
      await steps.create('r', { id: 's', name: 's' });
      await refuses([
        ['step', () => steps.create('r', untyped(undefined))],
        ['step.name', () => steps.create('r', untyped({}))],
        ['step.id', () => steps.create('r', { id: '\u007f', name: 's' })],
        ['step.dependsOn', () => steps.create('r', { name: 's', dependsOn: untyped('s') })],
        ['step.kind', () => steps.create('r', { name: 's', kind: '' })],
        ['patch.progress', () => steps.update('r', 's', { progress: 2 })],
        ['patch.metrics.ms', () => steps.update('r', 's', { metrics: { ms: Number.NaN } })],
        ['patch.output', () => steps.update('r', 's', untyped({ output: 1 }))],
        ['stepId', () => steps.get('r', untyped(null))],
        ['runId', () => steps.get(untyped(null), 's')],
        ['runId', () => steps.list(untyped({}))],
        ['event', () => events.append('r', untyped(undefined))],
        ['event.type', () => events.append('r', { type: '' })],
        ['event.stepId', () => events.append('r', { type: 't', stepId: '' })],
        ['event.occurredAt', () => events.append('r', { type: 't', occurredAt: untyped(0) })],
        ['runId', () => events.append('', { type: 't' })],
        ['artifact', () => artifacts.put('r', untyped(undefined))],
        ['artifact.name', () => artifacts.put('r', { name: '', body: 'x' })],
        ['artifact.name', () => artifacts.put('r', { name: 'a\u0000', body: 'x' })],
        ['artifact.mediaType', () => artifacts.put('r', { name: 'a', mediaType: '\r', body: 'x' })],
        ['artifact.version', () => artifacts.get('r', 'a', { version: 0 })],
        ['options.range.start', () => take(artifacts.open('r', 'a', { range: { start: -1 } }), 1)],
        ['options.range.start', () => take(artifacts.open('r', 'a', { range: { start: 0.5 } }), 1)],
        [
          'options.range.end',
          () => take(artifacts.open('r', 'a', { range: { start: 2, end: 1 } }), 1),
        ],
        [
          'options.range.from',
          () => take(artifacts.open('r', 'a', { range: untyped({ from: 1 }) }), 1),
        ],
        ['options.range', () => take(artifacts.open('r', 'a', { range: untyped(7) }), 1)],
        ['artifact.alias', () => artifacts.get('r', 'a', { alias: '' })],
        ['artifact.alias', () => artifacts.get('r', 'a', { alias: 'b', version: 1 })],
        [
          'artifact.aliases[0]',
          () => artifacts.put('r', { name: 'a', aliases: ['latest'], body: '' }),
        ],
        [
          'artifact.parents[0].version',
          () =>
            artifacts.put(
              'r',
              untyped({ name: 'a', parents: [{ runId: 'r', name: 'a' }], body: '' }),
            ),
        ],
        ['artifact.ttl', () => artifacts.put('r', { name: 'a', ttl: 0, body: '' })],
        ['artifact.tags', () => artifacts.put('r', { name: 'a', tags: untyped([]), body: '' })],
        ['', () => artifacts.get('r', untyped(undefined))],
        ['runId', () => artifacts.put('', { name: 'a', body: 'x' })],
      ]);
    });

    it('of lists are refused: limits, cursors and filters from a closed set', async () => {
      const { runs, steps, events, artifacts } = subject.store;
      await runs.create({ id: 'r', workflow: 'w' });
      for (const limit of [0, -1, 1001, 1.5, Number.NaN, '10']) {
        const options = untyped({ limit });
        await refuses([
          ['limit', () => runs.list(options)],
          ['limit', () => steps.list('r', options)],
          ['limit', () => events.list('r', options)],
          ['limit', () => artifacts.list('r', options)],
        ]);
      }
      for (const cursor of ['', 'garbage', '../../etc', Buffer.from('x:1').toString('base64url')]) {
        await refuses([
          ['cursor', () => runs.list({ cursor })],
          ['cursor', () => steps.list('r', { cursor })],
          ['cursor', () => events.list('r', { cursor })],
          ['cursor', () => artifacts.list('r', { cursor })],
        ]);
      }
      await refuses([
        ['colour', () => runs.list(untyped({ colour: 'red' }))],
        ['status', () => runs.list({ status: untyped('done') })],
        ['status', () => runs.list({ status: [] })],
        ['status', () => runs.list({ status: untyped(['failed', 'done']) })],
        ['tags', () => runs.list({ tags: untyped({ a: 1 }) })],
        ['createdAfter', () => runs.list({ createdAfter: untyped('2020-01-01') })],
        ['workflow', () => runs.list({ workflow: untyped(1) })],
        ['status', () => steps.list('r', { status: untyped('blocked') })],
        ['after', () => events.list('r', { after: -1 })],
        ['after', () => events.list('r', { after: 1.5 })],
      ]);
    });

    it('that are no options at all are refused, as names that nobody knows are', async () => {
      const { store } = subject;
      const { runs, steps, events, artifacts, pins } = store;
      await runs.create({ id: 'r', workflow: 'w' });
      const work = async (): Promise<void> => undefined;
      for (const wrong of [null, 'text', 7, [], { colour: 'red' }]) {
        const value = untyped(wrong);
        await refuses([
          ['filter', () => runs.list(value)],
          ['filter', () => steps.list('r', value)],
          ['options', () => events.list('r', value)],
          ['options', () => artifacts.list('r', value)],
          ['options', () => take(events.tail('r', value), 1)],
          ['options', () => take(store.watch(value), 1)],
          ['options', () => store.verify(value)],
          ['pin', () => pins.create(value)],
          ['work', () => store.transaction('r', value)],
        ]);
      }
      await refuses([
        ['pin', () => pins.create(untyped(undefined))],
        ['pin.afterr', () => pins.create(untyped({ name: 'p', afterr: store.position() }))],
        ['work', () => store.transaction('r', untyped(undefined))],
        ['runIds', () => store.transaction(untyped(null), work)],
        ['runId', () => events.list(untyped(undefined))],
        ['runId', () => take(events.tail(untyped(null)), 1)],
        ['options.onProgress', () => store.verify(untyped({ onProgress: 'loud' }))],
      ]);
      expect(await pins.list()).toEqual([]);
    });

    it('that are undefined count as absent', async () => {
      const { store } = subject;
      const run = await store.runs.create({
        id: undefined,
        idempotencyKey: undefined,
        workflow: 'w',
        tags: undefined,
        input: undefined,
      });
      expect(run).toMatchObject({ tags: {}, input: null });
      await store.runs.update(run.id, { status: undefined, priority: 1 }, { ifVersion: undefined });
      const page = await store.runs.list({
        status: undefined,
        limit: undefined,
        cursor: undefined,
      });
      expect(page.items).toHaveLength(1);
      expect((await store.events.list(run.id, { after: undefined })).items).toEqual([]);
    });

    it('longer than their limit are LIMIT_EXCEEDED', async () => {
      const { store } = subject;
      const run = await store.runs.create({ workflow: 'w' });
      const long = 'x'.repeat(1025);
      const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`t${i}`, '']));
      const calls = [
        () => store.runs.create({ id: 'x'.repeat(201), workflow: 'w' }),
        () => store.runs.create({ workflow: long }),
        () => store.runs.update(run.id, { tags: many }),
        () => store.steps.create(run.id, { name: long }),
        () => store.events.append(run.id, { type: long }),
        () => store.artifacts.put(run.id, { name: long, body: 'x' }),
        () => store.runs.get('x'.repeat(300)),
      ];
      for (const call of calls) expect((await refusal(call)).code).toBe('LIMIT_EXCEEDED');
    });
  });
}
