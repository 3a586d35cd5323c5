import { describe, expect, test } from '@jest/globals';
import { FAILED, refusal, RUNNING, sceneWith, SUCCEEDED, untyped } from './scene.ts';

describe('creating a step [SM-1]', () => {
  test('it is queued, with the defaults', () => {
    const scene = sceneWith({ s: [] });
    expect(scene.step('s')).toMatchObject({
      version: 1,
      name: 's',
      kind: 'task',
      status: 'queued',
      dependsOn: [],
      onDependencyFailure: 'skip',
      progress: null,
      attempt: 1,
      attempts: [],
    });
  });

  test('an id that is taken is ALREADY_EXISTS, a fresh one is made when none is given', () => {
    const scene = sceneWith({ s: [] });
    expect(refusal(() => scene.createStep('s'))).toMatchObject({ code: 'ALREADY_EXISTS', id: 's' });
    scene.addStep({ name: 'anonymous' });
    expect(scene.step('fresh-1').name).toBe('anonymous');
  });

  test('a key gives back the first step, even after the run has ended [SM-2]', () => {
    const scene = sceneWith();
    scene.addStep({ id: 'a', name: 'a', idempotencyKey: 'k', input: { x: 1, y: 2 } });
    expect(scene.addStep({ name: 'a', idempotencyKey: 'k', input: { y: 2, x: 1 } })).toEqual([]);
    scene.updateRun(FAILED);
    expect(scene.addStep({ name: 'a', idempotencyKey: 'k', input: { x: 1, y: 2 } })).toEqual([]);
    const error = refusal(() => scene.addStep({ name: 'a', idempotencyKey: 'k', input: 2 }));
    expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', id: 'a' });
  });

  test('a run that has ended takes no new steps and no writes of steps', () => {
    const scene = sceneWith({ s: [] });
    scene.updateRun(FAILED);
    expect(refusal(() => scene.createStep('t')).code).toBe('INVALID_TRANSITION');
    expect(refusal(() => scene.updateStep('s', RUNNING)).code).toBe('INVALID_TRANSITION');
    expect(refusal(() => scene.resetStep('s')).code).toBe('INVALID_TRANSITION');
    scene.resetRun();
    scene.updateStep('s', RUNNING);
    expect(scene.step('s').status).toBe('running');
  });

  const wrong: readonly (readonly [string, object])[] = [
    ['step.name must be a string', { name: undefined }],
    ['step.kind must not be empty', { kind: '' }],
    ['step.input.a holds NaN', { input: { a: Number.NaN } }],
    ['step.idempotencyKey must not be empty', { idempotencyKey: '' }],
    ['step.onDependencyFailure must be one of skip, wait', { onDependencyFailure: 'panic' }],
    ['step.dependsOn must be an array', { dependsOn: 'a' }],
    ['step.dependsOn[1] must be a string', { dependsOn: ['s', 7] }],
    ['step.status is not known here', { status: 'running' }],
    ['step.id must not be empty', { id: '' }],
  ];

  test.each(wrong)('%s', (message, input) => {
    const scene = sceneWith({ s: [] });
    const error = refusal(() => scene.addStep({ name: 'n', ...input }));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toContain(message);
  });
});

describe('updating a step', () => {
  test('ifVersion guards it [RM-3]', () => {
    const scene = sceneWith({ s: [] });
    scene.updateStep('s', RUNNING, { ifVersion: 1 });
    const stale = refusal(() => scene.updateStep('s', SUCCEEDED, { ifVersion: 1 }));
    expect(stale).toMatchObject({ code: 'VERSION_CONFLICT', id: 's' });
    expect(refusal(() => scene.resetStep('s', 'reset', { ifVersion: 1 })).code).toBe(
      'VERSION_CONFLICT',
    );
  });

  test('progress goes from 0 to 1, and success completes it only where it was told', () => {
    const scene = sceneWith({ told: [], silent: [] });
    scene.walk('told', RUNNING, { progress: 0.4 }, SUCCEEDED);
    scene.walk('silent', RUNNING, SUCCEEDED);
    expect(scene.step('told').progress).toBe(1);
    expect(scene.step('silent').progress).toBeNull();
    for (const progress of [-0.1, 1.1, Number.NaN, untyped('1')]) {
      const error = refusal(() => scene.updateStep('told', { progress }));
      expect(error.code).toBe('INVALID_ARGUMENT');
    }
  });

  const misplaced: readonly (readonly [string, object])[] = [
    ['patch.output', { output: 1 }],
    ['patch.output', { status: 'running', output: 1 }],
    ['patch.reason', { reason: 'x' }],
    ['patch.reason', { status: 'succeeded', reason: 'x' }],
    ['patch.error', { status: 'succeeded', error: new Error('x') }],
    ['patch.worker', { worker: 'w' }],
    ['patch.availableAt', { status: 'running', availableAt: new Date(0) }],
    ['patch.dependsOn', { status: 'running', dependsOn: [] }],
    ['patch.metrics.ms', { metrics: { ms: Number.POSITIVE_INFINITY } }],
    ['patch.tags', { tags: {} }],
  ];

  test.each(misplaced)('%s is refused in %j', (path, patch) => {
    const scene = sceneWith({ s: [] });
    const error = refusal(() => scene.updateStep('s', untyped(patch)));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message.split(' ')[0]).toBe(path);
  });

  test('a missing patch or step input is refused, not a crash', () => {
    const scene = sceneWith({ s: [] });
    const missing = untyped(undefined);
    expect(refusal(() => scene.updateStep('s', missing)).code).toBe('INVALID_ARGUMENT');
  });

  test('a step that is not there is NOT_FOUND', () => {
    const error = refusal(() => sceneWith().updateStep('ghost', RUNNING));
    expect(error).toMatchObject({ code: 'NOT_FOUND', id: 'ghost' });
  });
});

describe('leaving a terminal status', () => {
  test('reset raises the attempt, clears what it set and keeps the attempts', () => {
    const scene = sceneWith({ s: [] });
    scene.walk('s', { status: 'running', worker: 'w1' }, { progress: 0.5, metrics: { ms: 5 } });
    scene.updateStep('s', { ...FAILED, output: 'partial' });
    scene.resetStep('s', 'retry');
    expect(scene.step('s')).toMatchObject({
      status: 'queued',
      attempt: 2,
      output: 'null',
      error: null,
      progress: null,
      metrics: {},
      startedAt: null,
      endedAt: null,
      attempts: [{ attempt: 1, worker: 'w1', status: 'failed', error: FAILED.error }],
    });
    scene.walk('s', { status: 'running', worker: 'w2' }, SUCCEEDED);
    expect(scene.step('s').attempts).toMatchObject([
      { attempt: 1, worker: 'w1', status: 'failed' },
      { attempt: 2, worker: 'w2', status: 'succeeded', error: null },
    ]);
  });

  test('retry refuses what has succeeded or was skipped; reset takes both', () => {
    const scene = sceneWith({ done: [], out: [] });
    scene.walk('done', RUNNING, SUCCEEDED);
    scene.updateStep('out', { status: 'skipped', reason: 'not needed' });
    for (const id of ['done', 'out']) {
      expect(refusal(() => scene.resetStep(id, 'retry')).code).toBe('INVALID_TRANSITION');
      scene.resetStep(id, 'reset');
      expect(scene.step(id).status).toBe('queued');
    }
    expect(refusal(() => scene.resetStep('done')).code).toBe('INVALID_TRANSITION');
  });
});

describe('metrics are summed into the run', () => {
  test('a step that replaces its metrics replaces its share, without moving the version', () => {
    const scene = sceneWith({ a: [], b: [] });
    scene.updateStep('a', { metrics: { tokens: 10, ms: 1 } });
    scene.updateStep('b', { metrics: { tokens: 5 } });
    expect(scene.run).toMatchObject({ version: 1, metrics: { tokens: 15, ms: 1 } });
    scene.updateStep('a', { metrics: { tokens: 1 } });
    expect(scene.run.metrics).toEqual({ tokens: 6, ms: 0 });
  });

  test('a reset takes the share of the step away', () => {
    const scene = sceneWith({ a: [], b: [] });
    scene.updateStep('a', { metrics: { tokens: 10 } });
    scene.updateStep('b', { metrics: { tokens: 5 } });
    scene.walk('a', RUNNING, FAILED);
    scene.resetStep('a');
    expect(scene.run).toMatchObject({ version: 1, metrics: { tokens: 5 } });
  });

  test('a sum past what a number holds is LIMIT_EXCEEDED and changes nothing', () => {
    const scene = sceneWith({ a: [], b: [] });
    scene.updateStep('a', { metrics: { n: Number.MAX_VALUE } });
    const error = refusal(() => scene.updateStep('b', { metrics: { n: Number.MAX_VALUE } }));
    expect(error.code).toBe('LIMIT_EXCEEDED');
    expect(scene.run.metrics).toEqual({ n: Number.MAX_VALUE });
  });

  test('a metric called `__proto__` is an ordinary one', () => {
    const scene = sceneWith({ a: [] });
    const metrics = JSON.parse('{"__proto__":3}') as Record<string, number>;
    scene.updateStep('a', { metrics });
    expect(Object.entries(scene.run.metrics)).toEqual([['__proto__', 3]]);
  });
});
