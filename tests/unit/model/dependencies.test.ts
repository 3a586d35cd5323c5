import { describe, expect, test } from '@jest/globals';
import type { StepStatus } from '../../../src/index.ts';
import { FAILED, refusal, RUNNING, type Scene, sceneWith, SUCCEEDED } from './scene.ts';

const statuses = (scene: Scene): Record<string, StepStatus> =>
  Object.fromEntries([...scene.state.steps.values()].map(({ id, status }) => [id, status]));

const remaining = (scene: Scene, id: string): number => scene.state.remaining(scene.step(id));

describe('dependencies between steps [SM-3]', () => {
  test('a step waits until all of them have succeeded', () => {
    const scene = sceneWith({ a: [], b: [], c: ['a', 'b'] });
    expect(remaining(scene, 'c')).toBe(2);
    scene.walk('a', RUNNING, SUCCEEDED);
    expect(remaining(scene, 'c')).toBe(1);
    const error = refusal(() => scene.updateStep('c', RUNNING));
    expect(error).toMatchObject({ code: 'INVALID_TRANSITION', id: 'c' });
    expect(error.message).toContain('waits for 1 of 2 steps');
    scene.walk('b', RUNNING, SUCCEEDED);
    scene.updateStep('c', RUNNING);
    expect(statuses(scene)).toEqual({ a: 'succeeded', b: 'succeeded', c: 'running' });
  });

  test('they must be there, each named once', () => {
    const scene = sceneWith({ a: [] });
    const missing = refusal(() => scene.createStep('b', { dependsOn: ['a', 'ghost'] }));
    expect(missing).toMatchObject({ code: 'NOT_FOUND', id: 'ghost' });
    expect(missing.message).toContain('step.dependsOn[1]');
    const twice = refusal(() => scene.createStep('b', { dependsOn: ['a', 'a'] }));
    expect(twice.code).toBe('INVALID_ARGUMENT');
    expect(twice.message).toContain('step.dependsOn[1] names step a twice');
  });

  test('a cycle is refused with its path', () => {
    const scene = sceneWith({ a: [], b: ['a'], c: ['b'] });
    const error = refusal(() => scene.updateStep('a', { dependsOn: ['c'] }));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toBe('patch.dependsOn[0] closes a cycle: a → c → b → a');
    const itself = refusal(() => scene.createStep('d', { dependsOn: ['a', 'd'] }));
    expect(itself.message).toBe('step.dependsOn[1] closes a cycle: d → d');
  });

  test('they can change only while the step is queued', () => {
    const scene = sceneWith({ a: [], b: [] });
    scene.updateStep('b', { dependsOn: ['a'] });
    expect(remaining(scene, 'b')).toBe(1);
    scene.updateStep('b', { dependsOn: [] });
    scene.updateStep('b', RUNNING);
    const error = refusal(() => scene.updateStep('b', { dependsOn: ['a'] }));
    expect(error.code).toBe('INVALID_TRANSITION');
    scene.walk('a', RUNNING, FAILED);
    expect(scene.step('b').status).toBe('running');
  });
});

describe('when a step does not succeed [SM-3]', () => {
  const endings = [
    [RUNNING, FAILED],
    [{ status: 'cancelled' }],
    [RUNNING, { status: 'timed_out' }],
    [{ status: 'skipped' }],
  ] as const;

  test.each(endings)('its dependents are skipped in turn, with the reason: %j', (...patches) => {
    const scene = sceneWith({ a: [], b: ['a'], c: ['b'], other: [] });
    scene.walk('a', ...patches);
    expect(scene.step('b')).toMatchObject({
      status: 'skipped',
      skippedBy: 'a',
      reason: 'its dependency a did not succeed',
      endedAt: scene.step('a').endedAt,
    });
    expect(scene.step('c')).toMatchObject({ status: 'skipped', skippedBy: 'b' });
    expect(scene.step('other').status).toBe('queued');
  });

  test('one that waits by policy stays queued, and what depends on it too', () => {
    const scene = sceneWith({ a: [] });
    scene.createStep('b', { dependsOn: ['a'], onDependencyFailure: 'wait' });
    scene.createStep('c', { dependsOn: ['b'] });
    scene.walk('a', RUNNING, FAILED);
    expect(statuses(scene)).toEqual({ a: 'failed', b: 'queued', c: 'queued' });
    scene.resetStep('a');
    scene.walk('a', RUNNING, SUCCEEDED);
    expect(remaining(scene, 'b')).toBe(0);
  });

  test('a step that comes to depend on it later is skipped as well', () => {
    const scene = sceneWith({ a: [], b: [], c: ['b'] });
    scene.walk('a', RUNNING, FAILED);
    scene.createStep('late', { dependsOn: ['a'] });
    scene.createStep('patient', { dependsOn: ['a'], onDependencyFailure: 'wait' });
    scene.updateStep('b', { dependsOn: ['a'] });
    expect(statuses(scene)).toEqual({
      a: 'failed',
      b: 'skipped',
      c: 'skipped',
      late: 'skipped',
      patient: 'queued',
    });
    expect(scene.step('late')).toMatchObject({ skippedBy: 'a' });
    expect(scene.step('late').endedAt).not.toBeNull();
  });

  test('a diamond is skipped once', () => {
    const scene = sceneWith({ a: [], b: ['a'], c: ['a'], d: ['b', 'c'] });
    scene.walk('a', RUNNING, FAILED);
    expect(scene.step('d')).toMatchObject({ status: 'skipped', version: 2 });
  });
});

describe('a reset queues again what was skipped on its account', () => {
  test('transitively, through a diamond, in whatever order it is walked', () => {
    const scene = sceneWith({ a: [], b: ['a'], c: ['a', 'b'], d: ['c', 'a'] });
    scene.walk('a', RUNNING, FAILED);
    scene.resetStep('a');
    expect(statuses(scene)).toEqual({ a: 'queued', b: 'queued', c: 'queued', d: 'queued' });
    expect(scene.step('d')).toMatchObject({ reason: null, skippedBy: null, endedAt: null });
    expect(scene.step('d').attempt).toBe(1);
  });

  test('not while another dependency has still failed', () => {
    const scene = sceneWith({ a: [], b: [], c: ['a', 'b'] });
    scene.walk('a', RUNNING, FAILED);
    scene.walk('b', RUNNING, FAILED);
    scene.resetStep('a');
    expect(scene.step('c').status).toBe('skipped');
    scene.resetStep('b');
    expect(scene.step('c').status).toBe('queued');
  });

  test('not what a caller skipped', () => {
    const scene = sceneWith({ a: [], b: ['a'] });
    scene.updateStep('b', { status: 'skipped', reason: 'by hand' });
    scene.walk('a', RUNNING, FAILED);
    scene.resetStep('a');
    expect(scene.step('b')).toMatchObject({ status: 'skipped', reason: 'by hand' });
  });
});

describe('a chain of 10,000 steps', () => {
  const length = 10_000;
  const chain = (): Scene => {
    const scene = sceneWith();
    for (let i = 0; i < length; i++) {
      scene.createStep(`s${i}`, { dependsOn: i === 0 ? [] : [`s${i - 1}`] });
    }
    return scene;
  };

  test('is made, skipped, queued again and searched for cycles without a deep stack', () => {
    const scene = chain();
    scene.walk('s0', RUNNING, FAILED);
    expect(scene.step(`s${length - 1}`).status).toBe('skipped');
    scene.resetStep('s0');
    expect(scene.step(`s${length - 1}`).status).toBe('queued');
    const error = refusal(() => scene.updateStep('s0', { dependsOn: [`s${length - 1}`] }));
    expect(error.message).toContain('closes a cycle: s0 → s9999 → s9998');
  });
});
