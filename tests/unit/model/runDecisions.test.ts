import { describe, expect, test } from '@jest/globals';
import { LIMITS, type NewRun } from '../../../src/index.ts';
import { FAILED, refusal, RUNNING, Scene, sceneWith, SUCCEEDED, untyped } from './scene.ts';

describe('creating a run [RM-1]', () => {
  test('it is queued, in its first version and attempt, with the defaults', () => {
    const scene = new Scene();
    scene.createRun({ workflow: 'summarize', input: { url: 'x' }, tags: { team: 'search' } });
    expect(scene.run).toMatchObject({
      id: 'r',
      version: 1,
      workflow: 'summarize',
      status: 'queued',
      input: '{"url":"x"}',
      output: 'null',
      tags: { team: 'search' },
      metadata: '{}',
      priority: 0,
      attempt: 1,
      attempts: [],
      startedAt: null,
      endedAt: null,
    });
    expect(scene.run.createdAt).toBe(scene.run.updatedAt);
  });

  test('an id that is taken is ALREADY_EXISTS', () => {
    const error = refusal(() => sceneWith().createRun());
    expect(error).toMatchObject({ code: 'ALREADY_EXISTS', id: 'r' });
  });

  test('a key with the same input gives back the first; with another it conflicts [RM-4]', () => {
    const scene = new Scene();
    const first = { idempotencyKey: 'k', input: { a: 1, b: 2 } };
    scene.createRun(first);
    expect(scene.createRun({ ...first, input: { b: 2, a: 1 } })).toEqual([]);
    const error = refusal(() => scene.createRun({ ...first, input: { a: 2 } }));
    expect(error).toMatchObject({ code: 'IDEMPOTENCY_CONFLICT', id: 'r' });
  });

  const wrong: readonly (readonly [string, object])[] = [
    ['run.workflow must be a string, not undefined', {}],
    ['run.workflow must not be empty', { workflow: '' }],
    ['run.workflow must not contain control', { workflow: 'a\nb' }],
    ['run.workflow must be well-formed', { workflow: '\ud800' }],
    ['run.colour is not known here', { workflow: 'w', colour: 'red' }],
    ['run.tags must be an object, not an array', { workflow: 'w', tags: ['a'] }],
    ['run.tags.n must be a string, not number', { workflow: 'w', tags: { n: 1 } }],
    ['run.metadata must be an object', { workflow: 'w', metadata: [] }],
    ['run.metadata must be JSON, not bytes', { workflow: 'w', metadata: new Uint8Array() }],
    ['run.metadata.a holds NaN', { workflow: 'w', metadata: { a: Number.NaN } }],
    ['run.priority must be a whole number', { workflow: 'w', priority: 1.5 }],
    ['run.availableAt must be a valid Date', { workflow: 'w', availableAt: new Date('x') }],
    ['run.parentRunId must not contain control', { workflow: 'w', parentRunId: 'a\u0000' }],
    ['run.trace must be a string', { workflow: 'w', trace: 7 }],
  ];

  test.each(wrong)('%s', (message, input) => {
    const whole = { workflow: untyped(undefined), ...input } as NewRun;
    const error = refusal(() => new Scene().createRun(whole));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toContain(message);
  });

  test('too many tags, and text that is too long, exceed a limit', () => {
    const tags = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`t${i}`, '']));
    expect(refusal(() => new Scene().createRun({ tags })).code).toBe('LIMIT_EXCEEDED');
    const project = 'p'.repeat(LIMITS.textBytesMax + 1);
    expect(refusal(() => new Scene().createRun({ project })).code).toBe('LIMIT_EXCEEDED');
  });

  test('a tag called `__proto__` is an ordinary tag', () => {
    const scene = new Scene();
    scene.createRun({ tags: JSON.parse('{"__proto__":"x"}') as Record<string, string> });
    expect(Object.entries(scene.run.tags)).toEqual([['__proto__', 'x']]);
  });
});

describe('updating a run', () => {
  test('nothing to change is no change', () => {
    const scene = sceneWith();
    expect(scene.updateRun({})).toEqual([]);
    expect(scene.updateRun({ priority: undefined })).toEqual([]);
    expect(scene.run.version).toBe(1);
  });

  test('a field is replaced as a whole, in any status, and the version moves by one', () => {
    const scene = sceneWith();
    scene.updateRun({ tags: { a: '1', b: '2' }, priority: -0 });
    scene.updateRun(FAILED);
    scene.updateRun({ tags: { c: '3' }, metadata: { n: 1 }, trace: 't', availableAt: null });
    expect(scene.run).toMatchObject({ version: 4, tags: { c: '3' }, metadata: '{"n":1}' });
    expect(Object.is(scene.run.priority, 0)).toBe(true);
    scene.updateRun({ trace: null });
    expect(scene.run.trace).toBeNull();
  });

  test('a stale ifVersion is VERSION_CONFLICT and the right one passes [RM-3]', () => {
    const scene = sceneWith();
    scene.updateRun({ priority: 1 }, { ifVersion: 1 });
    const error = refusal(() => scene.updateRun({ priority: 2 }, { ifVersion: 1 }));
    expect(error).toMatchObject({ code: 'VERSION_CONFLICT', id: 'r', retryable: true });
    expect(scene.updateRun({ priority: 2 }, { ifVersion: undefined })).toHaveLength(1);
    expect(refusal(() => scene.updateRun({}, { ifVersion: 0 })).code).toBe('INVALID_ARGUMENT');
    expect(refusal(() => scene.resetRun('reset', { ifVersion: 9 })).code).toBe('VERSION_CONFLICT');
    expect(refusal(() => scene.deleteRun({ ifVersion: 9 })).code).toBe('VERSION_CONFLICT');
  });

  test('times and attempts follow the status [RM-2]', () => {
    const scene = sceneWith();
    scene.updateRun({ status: 'running', worker: 'w1' });
    const startedAt = scene.run.startedAt;
    scene.updateRun({ status: 'blocked', reason: 'waits for a person' });
    expect(scene.run).toMatchObject({ status: 'blocked', reason: 'waits for a person' });
    scene.updateRun({ status: 'running', worker: 'w1' });
    expect(scene.run).toMatchObject({ startedAt, reason: null });
    scene.updateRun({ status: 'succeeded', output: [1] });
    expect(scene.run).toMatchObject({ status: 'succeeded', output: '[1]', error: null });
    expect(scene.run.attempts).toMatchObject([
      { attempt: 1, worker: 'w1', status: 'succeeded', endedAt: scene.run.endedAt },
    ]);
  });

  test('handing a run back to the queue ends the attempt of who held it', () => {
    const scene = sceneWith();
    scene.updateRun({ status: 'running', worker: 'w1' });
    scene.updateRun({ status: 'queued' });
    scene.updateRun({ status: 'running', worker: 'w2' });
    expect(scene.run.attempts).toMatchObject([
      { worker: 'w1', status: 'queued', endedAt: expect.any(String) },
      { worker: 'w2', status: 'running', endedAt: null },
    ]);
  });

  test('an Error is kept as data; its code when it is a string', () => {
    const scene = sceneWith();
    const error = Object.assign(new TypeError('bad'), { code: 'E_BAD', extra: 1 });
    scene.updateRun({ status: 'failed', error });
    expect(scene.run.error).toEqual({
      name: 'TypeError',
      message: 'bad',
      code: 'E_BAD',
      stack: error.stack,
    });
  });

  const misplaced: readonly (readonly [string, object])[] = [
    ['patch.output', { output: 1 }],
    ['patch.output', { status: 'running', output: 1 }],
    ['patch.error', { error: new Error('x') }],
    ['patch.error', { status: 'running', error: new Error('x') }],
    ['patch.error', { status: 'failed' }],
    ['patch.error', { status: 'failed', error: 'text' }],
    ['patch.worker', { worker: 'w' }],
    ['patch.worker', { status: 'cancelled', worker: 'w' }],
    ['patch.reason', { reason: 'because' }],
    ['patch.reason', { status: 'failed', error: new Error('x'), reason: 'because' }],
    ['patch.availableAt', { status: 'cancelled', availableAt: new Date(0) }],
    ['patch.status', { status: 'done' }],
    ['patch.version', { version: 7 }],
    ['patch', null],
    ['patch', []],
  ].map(([path, patch]) => [path as string, patch as object]);

  test.each(misplaced)('%s is refused in %j', (path, patch) => {
    const error = refusal(() => sceneWith().updateRun(untyped(patch)));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message.split(' ')[0]).toBe(path);
  });

  test('a missing patch is refused, not a crash', () => {
    const error = refusal(() => sceneWith().updateRun(untyped(undefined)));
    expect(error.code).toBe('INVALID_ARGUMENT');
  });
});

describe('leaving a terminal status', () => {
  test('reset raises the attempt, clears what it set and keeps the attempts', () => {
    const scene = sceneWith();
    scene.updateRun({ status: 'running', worker: 'w1' });
    scene.updateRun({ ...FAILED, output: 'partial' });
    const availableAt = new Date('2027-01-01T00:00:00.000Z');
    scene.resetRun('reset', { availableAt });
    expect(scene.run).toMatchObject({
      status: 'queued',
      attempt: 2,
      output: 'null',
      error: null,
      startedAt: null,
      endedAt: null,
      availableAt: availableAt.toISOString(),
      attempts: [{ attempt: 1, worker: 'w1', status: 'failed', error: FAILED.error }],
    });
    scene.updateRun(RUNNING);
    expect(scene.run.attempts.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  test('retry takes what has failed or was cancelled, and not what has succeeded', () => {
    const failed = sceneWith();
    failed.updateRun(FAILED);
    failed.resetRun('retry');
    expect(failed.run).toMatchObject({ status: 'queued', attempt: 2 });
    const succeeded = sceneWith();
    succeeded.updateRun(RUNNING);
    succeeded.updateRun(SUCCEEDED);
    expect(refusal(() => succeeded.resetRun('retry')).code).toBe('INVALID_TRANSITION');
    succeeded.resetRun('reset');
    expect(succeeded.run.status).toBe('queued');
  });

  test.each(['reset', 'retry'] as const)('%s is refused for what has not ended', (verb) => {
    const scene = sceneWith();
    expect(refusal(() => scene.resetRun(verb)).code).toBe('INVALID_TRANSITION');
    scene.updateRun(RUNNING);
    expect(refusal(() => scene.resetRun(verb)).code).toBe('INVALID_TRANSITION');
  });
});

test('what is not there is NOT_FOUND with its id', () => {
  const calls = [
    (scene: Scene) => scene.updateRun({}),
    (scene: Scene) => scene.resetRun(),
    (scene: Scene) => scene.deleteRun(),
    (scene: Scene) => scene.createStep('s'),
    (scene: Scene) => scene.append({ type: 'e' }),
    (scene: Scene) => scene.put({ name: 'a' }),
  ];
  for (const call of calls) {
    expect(refusal(() => call(new Scene()))).toMatchObject({ code: 'NOT_FOUND', id: 'r' });
  }
});
