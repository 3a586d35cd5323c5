import { describe, expect, test } from '@jest/globals';
import type { NewEvent } from '../../../src/index.ts';
import { requireArtifact } from '../../../src/lib/model/artifact.ts';
import { FAILED, refusal, sceneWith, untyped } from './scene.ts';

describe('appending an event [EM-1]', () => {
  test('events are numbered from 1 without gaps, in any status of the run', () => {
    const scene = sceneWith();
    for (let i = 0; i < 3; i++) scene.append({ type: 'tick' });
    scene.updateRun(FAILED);
    scene.append({ type: 'after.the.end' });
    const seqs = scene.log.flatMap((change) =>
      change.type === 'event.appended' ? [change.event.seq] : [],
    );
    expect(seqs).toEqual([1, 2, 3, 4]);
  });

  test('it happened when the caller says, and by default when it was recorded', () => {
    const scene = sceneWith();
    const occurredAt = new Date('2020-02-02T02:02:02.002Z');
    const [told] = scene.append({ type: 'a', occurredAt });
    const [silent] = scene.append({ type: 'a' });
    expect(told).toMatchObject({ event: { occurredAt: occurredAt.toISOString() } });
    if (silent?.type !== 'event.appended') throw new Error('no event was appended');
    expect(silent.event.occurredAt).toBe(silent.event.recordedAt);
  });

  test('a key with the same type and payload adds nothing; with another it conflicts', () => {
    const scene = sceneWith();
    scene.append({ type: 'a', payload: { x: 1, y: 2 }, idempotencyKey: 'k' });
    const again = { type: 'a', payload: { y: 2, x: 1 }, idempotencyKey: 'k' };
    expect(scene.append(again)).toEqual([]);
    for (const other of [
      { ...again, type: 'b' },
      { ...again, payload: 1 },
    ]) {
      expect(refusal(() => scene.append(other)).code).toBe('IDEMPOTENCY_CONFLICT');
    }
    expect(scene.state.lastSeq).toBe(1);
  });

  const wrong: readonly (readonly [string, object])[] = [
    ['event.type must be a string', {}],
    ['event.payload[0] holds undefined', { type: 'a', payload: [undefined] }],
    ['event.occurredAt must be a valid Date', { type: 'a', occurredAt: '2020-01-01' }],
    ['event.seq is not known here', { type: 'a', seq: 7 }],
    ['event.stepId must not contain control', { type: 'a', stepId: '\n' }],
  ];

  test.each(wrong)('%s', (message, event) => {
    const error = refusal(() => sceneWith().append(event as NewEvent));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message).toContain(message);
  });
});

describe('putting an artifact', () => {
  const digest = (n: number): string => `sha256:${String(n).repeat(64)}`;

  test('each put of other bytes is a version more; another description changes the newest [AR-1]', () => {
    const scene = sceneWith();
    scene.put({ name: 'a' }, digest(1));
    scene.put({ name: 'a' }, digest(2));
    scene.put({ name: 'a', mediaType: 'text/html' }, digest(2));
    scene.put({ name: 'a', metadata: { k: 1 } }, digest(2));
    expect(scene.state.artifacts.get('a')).toMatchObject([
      { version: 1, revision: 1 },
      { version: 2, revision: 3, mediaType: 'text/html', metadata: '{"k":1}' },
    ]);
  });

  test('the same once more is no change; going back to older bytes is one', () => {
    const scene = sceneWith();
    scene.put({ name: 'a', metadata: { x: 1, y: 2 } }, digest(1));
    expect(scene.put({ name: 'a', metadata: { y: 2, x: 1 } }, digest(1))).toEqual([]);
    scene.put({ name: 'a' }, digest(2));
    expect(scene.put({ name: 'a', metadata: { x: 1, y: 2 } }, digest(1))).toHaveLength(1);
  });

  test('a version or the newest is found by name, and what is not there is NOT_FOUND', () => {
    const scene = sceneWith();
    scene.put({ name: 'a' }, digest(1));
    scene.put({ name: 'a' }, digest(2));
    const find = (name: string, version?: number): string =>
      requireArtifact(scene.state, 'r', { name, version }).digest;
    expect([find('a'), find('a', 1), find('a', 2)]).toEqual([digest(2), digest(1), digest(2)]);
    expect(refusal(() => find('a', 3))).toMatchObject({ code: 'NOT_FOUND', id: 'a' });
    expect(refusal(() => find('b'))).toMatchObject({ code: 'NOT_FOUND', id: 'b' });
    expect(refusal(() => find('a', 0)).code).toBe('INVALID_ARGUMENT');
  });

  test.each([
    ['artifact.name', { name: '' }],
    ['artifact.mediaType', { name: 'a', mediaType: 'text/html\r\nX: y' }],
    ['artifact.metadata.at', { name: 'a', metadata: { at: new Date(0) } }],
    ['artifact.version', { name: 'a', version: 3 }],
  ])('%s is refused in %j', (path, artifact) => {
    const error = refusal(() => sceneWith().put(untyped(artifact)));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.message.split(' ')[0]).toBe(path);
  });
});
