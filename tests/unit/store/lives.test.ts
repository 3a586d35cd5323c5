import { describe, expect, test } from '@jest/globals';
import type { Change } from '../../../src/lib/model/change.ts';
import { EMPTY_EVENT, EMPTY_RUN } from '../../../src/lib/model/represent.ts';
import { LiveRun } from '../../../src/lib/store/FileSystemStore/liveRun.ts';
import { type Call, isRunFile } from '../../fixtures/store/testDisk.ts';
import { Scene, until } from '../../fixtures/store/scene.ts';

const scene = new Scene();

/** Lets the checkpointer work until it has done one more thing of this kind. */
async function next(isIt: (call: Call) => boolean): Promise<void> {
  const count = () => scene.disk.calls.filter(isIt).length;
  const before = count();
  await until(() => {
    scene.clock.advance(3_000);
    return scene.disk.isIdle && count() > before;
  });
}

describe('a run that was deleted and created again', () => {
  test('keeps its files when what its first life had replaced is cleared away [W8]', async () => {
    const store = await scene.open();
    await store.runs.create({ id: 'x', workflow: 'w', input: 'old' });
    await next(isRunFile);
    await store.runs.update('x', { priority: 1 });
    await next(isRunFile);
    await store.runs.delete('x');
    await next(({ op, path }) => op === 'unlink' && path.includes('runs'));
    await store.runs.create({ id: 'x', workflow: 'w', input: 'new' });
    await store.events.append('x', { type: 'e', payload: 'precious' });
    await store.close();
    const again = await scene.open();
    expect((await again.runs.get('x')).input).toBe('new');
    expect((await again.events.list('x')).items).toMatchObject([{ payload: 'precious' }]);
    expect((await again.verify()).findings).toEqual([]);
  });
});

describe('a run that is never idle', () => {
  const created: Change = {
    type: 'run.created',
    runId: 'r',
    run: { ...EMPTY_RUN, id: 'r', version: 1 },
  };
  const appended = (seq: number): Change => ({
    type: 'event.appended',
    runId: 'r',
    event: { ...EMPTY_EVENT, seq, idempotencyKey: `key ${seq}` },
  });

  test('forgets the keys of events that the index answers for', () => {
    const live = new LiveRun('r');
    live.queue([created], Promise.resolve());
    live.settle([created], 1);
    const [first, second] = [appended(1), appended(2)];
    live.queue([first], Promise.resolve());
    live.queue([second], Promise.resolve());
    live.settle([first], 2);
    expect(live.pending).toBe(1);
    expect(live.decided.eventByKey.get('key 1')).toBeUndefined();
    expect(live.decided.eventByKey.get('key 2')).toMatchObject({ seq: 2 });
  });

  test('keeps the key of a new life that an old life had too', () => {
    const live = new LiveRun('r');
    const deleted: Change = { type: 'run.deleted', runId: 'r', version: 2 };
    for (const change of [created, appended(1), deleted, created, appended(1)]) {
      live.queue([change], Promise.resolve());
    }
    const inNewLife = live.decided.eventByKey.get('key 1');
    live.settle([created], 1);
    live.settle([appended(1)], 2);
    expect(live.decided.eventByKey.get('key 1')).toBe(inNewLife);
  });
});
