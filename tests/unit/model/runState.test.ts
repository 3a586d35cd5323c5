import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isStoreError, RUN_STATUSES, STEP_STATUSES } from '../../../src/index.ts';
import type { Change } from '../../../src/lib/model/change.ts';
import { LayeredMap } from '../../../src/lib/model/layeredMap.ts';
import { RunState } from '../../../src/lib/model/runState.ts';
import { changeFromJson, changeToText } from '../../../src/lib/model/text.ts';
import { payload } from './arbitraries.ts';
import { FAILED, RUNNING, Scene, sceneWith, SUCCEEDED, untyped } from './scene.ts';

/** All that a state holds, as values that can be compared. */
function contents(state: RunState): unknown {
  return {
    run: state.run,
    lastSeq: state.lastSeq,
    steps: [...state.steps.entries()],
    keys: new Map(state.stepIdByKey.entries()),
    dependents: new Map([...state.dependents.entries()].filter(([, ids]) => ids.length > 0)),
    artifacts: [...state.artifacts.entries()],
    events: [...state.eventByKey.entries()],
  };
}

function fold(changes: readonly Change[], state = new RunState()): RunState {
  for (const change of changes) state.apply(change);
  return state;
}

const stepId = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const patch = (statuses: readonly string[]): fc.Arbitrary<object> =>
  fc.oneof(
    fc.constantFrom(...statuses).map((status) => ({
      status,
      ...(status === 'failed' && { error: FAILED.error }),
    })),
    fc.record({ metrics: fc.record({ n: fc.nat() }) }),
    fc.record({ trace: fc.constantFrom('t', null) }),
    fc.record({ dependsOn: fc.uniqueArray(stepId, { maxLength: 2 }) }),
  );

type Act = (scene: Scene) => unknown;
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 1, arbitrary: fc.constant((scene: Scene) => scene.createRun()) },
  {
    weight: 3,
    arbitrary: patch(RUN_STATUSES).map((p) => (scene: Scene) => scene.updateRun(untyped(p))),
  },
  {
    weight: 4,
    arbitrary: fc
      .tuple(stepId, fc.uniqueArray(stepId, { maxLength: 2 }), fc.option(stepId), payload)
      .map(
        ([id, dependsOn, key, input]) =>
          (scene: Scene) =>
            scene.createStep(id, { dependsOn, idempotencyKey: key ?? undefined, input }),
      ),
  },
  {
    weight: 8,
    arbitrary: fc.tuple(stepId, patch(STEP_STATUSES)).map(
      ([id, p]) =>
        (scene: Scene) =>
          scene.updateStep(id, untyped(p)),
    ),
  },
  { weight: 3, arbitrary: stepId.map((id) => (scene: Scene) => scene.resetStep(id)) },
  { weight: 2, arbitrary: fc.constant((scene: Scene) => scene.resetRun()) },
  {
    weight: 3,
    arbitrary: fc
      .option(stepId)
      .map(
        (key) => (scene: Scene) => scene.append({ type: 'e', idempotencyKey: key ?? undefined }),
      ),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(stepId, stepId).map(
      ([name, digest]) =>
        (scene: Scene) =>
          scene.put({ name }, digest),
    ),
  },
  { weight: 1, arbitrary: fc.constant((scene: Scene) => scene.deleteRun()) },
);

function playAll(acts: readonly Act[], scene = sceneWith()): Scene {
  for (const each of acts) {
    try {
      each(scene);
    } catch (error) {
      if (!isStoreError(error)) throw error;
    }
  }
  return scene;
}

const played = fc
  .array(act, { minLength: 1, maxLength: 60, size: 'max' })
  .map((acts) => playAll(acts));

describe('the state of a run is the fold of its changes', () => {
  test('folding what was decided gives what it was decided on, also from text', () => {
    fc.assert(
      fc.property(played, ({ state, log }) => {
        expect(contents(fold(log))).toEqual(contents(state));
        const read = log.map((change) => changeFromJson(JSON.parse(changeToText(change))));
        expect(contents(fold(read as Change[]))).toEqual(contents(state));
      }),
      { numRuns: 200 },
    );
  });

  test('applying a change twice, or the end of the log once more, is harmless', () => {
    fc.assert(
      fc.property(played, fc.nat(), ({ state, log }, n) => {
        expect(contents(fold(log.flatMap((change) => [change, change])))).toEqual(contents(state));
        const again = fold(log.slice(n % (log.length + 1)), fold(log));
        expect(contents(again)).toEqual(contents(state));
      }),
      { numRuns: 200 },
    );
  });

  test('a fork decides as the state itself would, and the state never sees it', () => {
    fc.assert(
      fc.property(fc.array(act), fc.array(act, { size: 'max', maxLength: 30 }), (first, second) => {
        const scene = playAll(first);
        const before = contents(scene.state);
        const fork = playAll(second, new Scene(scene.state.fork()));
        expect(contents(scene.state)).toEqual(before);
        expect(contents(fold(fork.log, fold(scene.log)))).toEqual(contents(fork.state));
      }),
      { numRuns: 200 },
    );
  });
});

describe('what always holds of a decided state', () => {
  test('metrics, skips, dependencies and versions agree with each other', () => {
    fc.assert(
      fc.property(played, ({ state }) => {
        const steps = [...state.steps.values()];
        const sum = steps.reduce((total, step) => total + (step.metrics['n'] ?? 0), 0);
        if (state.run !== undefined) expect(state.run.metrics['n'] ?? 0).toBe(sum);
        for (const step of steps) {
          expect((step.endedAt === null) === ['queued', 'running'].includes(step.status)).toBe(
            true,
          );
          expect(step.attempts.filter(({ endedAt }) => endedAt === null).length).toBe(
            step.status === 'running' ? 1 : 0,
          );
          if (step.skippedBy !== null) expect(step.status).toBe('skipped');
          for (const id of step.dependsOn) {
            expect(state.dependents.get(id)).toContain(step.id);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a version that is there already is skipped', () => {
  test('older and equal versions of run, step, event and artifact change nothing', () => {
    const scene = sceneWith({ s: [] });
    scene.updateRun(RUNNING);
    scene.walk('s', RUNNING, SUCCEEDED);
    scene.append({ type: 'e' });
    scene.put({ name: 'a' });
    const before = contents(scene.state);
    const { run } = scene;
    const stale: readonly Change[] = [
      { type: 'run.created', runId: 'r', run: { ...run, workflow: 'other' } },
      { type: 'run.updated', runId: 'r', version: run.version, set: { priority: 9 } },
      { type: 'step.created', runId: 'r', step: { ...scene.step('s'), name: 'other' } },
      { type: 'step.updated', runId: 'r', stepId: 's', version: 1, set: { kind: 'other' } },
      { type: 'step.updated', runId: 'r', stepId: 'ghost', version: 9, set: { kind: 'other' } },
    ];
    fold(stale, scene.state);
    expect(contents(scene.state)).toEqual(before);
  });

  test('a deletion leaves nothing, and the run can begin anew', () => {
    const scene = sceneWith({ s: [] });
    scene.append({ type: 'e', idempotencyKey: 'k' });
    scene.put({ name: 'a' });
    scene.deleteRun();
    expect(contents(scene.state)).toEqual(contents(new RunState()));
    scene.createRun({ workflow: 'again' });
    scene.append({ type: 'e' });
    expect(scene.state).toMatchObject({ run: { workflow: 'again', version: 1 }, lastSeq: 1 });
  });
});

describe('LayeredMap', () => {
  test('a fork of a fork reads through, in the order in which keys came', () => {
    const base = new LayeredMap<string, number>();
    base.set('a', 1);
    base.set('b', 2);
    const fork = base.fork().fork();
    fork.set('c', 3);
    fork.set('a', 10);
    expect([...fork.entries()]).toEqual([
      ['a', 10],
      ['b', 2],
      ['c', 3],
    ]);
    expect([...base.values()]).toEqual([1, 2]);
    fork.clear();
    expect([...fork.values()]).toEqual([]);
    expect([...base.values()]).toEqual([1, 2]);
  });
});
